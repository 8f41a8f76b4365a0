"""What placeholders stand for: encrypted, by turn, for a time."""

import asyncio

import pytest

from shared.errors import InvalidEvent
from shared.kv.memory import MemoryKeyValue
from shared.vault import Cipher, Vault

TURN = ("t", "c", "turn-1")


@pytest.fixture
def kv() -> MemoryKeyValue:
    return MemoryKeyValue()


@pytest.fixture
def vault(kv: MemoryKeyValue) -> Vault:
    return Vault(kv, Cipher("secret"))


async def test_a_turn_reveals_its_own_placeholder_only(vault: Vault) -> None:
    await vault.keep(*TURN, {"<EMAIL_1>": "ada@x.org"}, ttl_s=60)
    await vault.keep("t", "c", "turn-2", {"<EMAIL_1>": "bob@x.org"}, ttl_s=60)
    assert await vault.reveal(*TURN, "<EMAIL_1>") == ["ada@x.org"]
    assert await vault.reveal(*TURN, "<PHONE_1>") == []
    assert await vault.reveal("t", "c", "unknown", "<EMAIL_1>") == []


async def test_without_a_turn_every_different_original_is_revealed_once(vault: Vault) -> None:
    for number, address in enumerate(("ada@x.org", "bob@x.org", "ada@x.org")):
        await vault.keep("t", "c", f"turn-{number}", {"<EMAIL_1>": address}, ttl_s=60)
    assert await vault.reveal("t", "c", "", "<EMAIL_1>") == ["ada@x.org", "bob@x.org"]


async def test_conversations_and_tenants_are_apart(vault: Vault) -> None:
    await vault.keep(*TURN, {"<EMAIL_1>": "ada@x.org"}, ttl_s=60)
    assert await vault.reveal("t", "other", "", "<EMAIL_1>") == []
    assert await vault.reveal("other", "c", "", "<EMAIL_1>") == []


async def test_the_store_never_holds_an_original(vault: Vault, kv: MemoryKeyValue) -> None:
    await vault.keep(*TURN, {"<EMAIL_1>": "ada@x.org"}, ttl_s=60)
    (secret,) = (await kv.fields("vault:t:c")).values()
    assert b"ada" not in secret


async def test_time_ends_it_and_so_does_forgetting(vault: Vault) -> None:
    await vault.keep(*TURN, {"<EMAIL_1>": "ada@x.org"}, ttl_s=0.01)
    await asyncio.sleep(0.03)
    assert await vault.reveal(*TURN, "<EMAIL_1>") == []
    await vault.keep(*TURN, {"<EMAIL_1>": "ada@x.org"}, ttl_s=60)
    await vault.forget("t", "c")
    assert await vault.reveal(*TURN, "<EMAIL_1>") == []


async def test_another_secret_reveals_nothing(vault: Vault, kv: MemoryKeyValue) -> None:
    await vault.keep(*TURN, {"<EMAIL_1>": "ada@x.org"}, ttl_s=60)
    with pytest.raises(InvalidEvent, match="SECRET_KEY"):
        await Vault(kv, Cipher("another")).reveal(*TURN, "<EMAIL_1>")
