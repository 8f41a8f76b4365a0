"""Dead letters from the command line, on the memory bus."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.cli_letters import Office, gathered
from shared.bus.memory import MemoryBus
from shared.bus.port import Outgoing
from shared.events import dead_letter_topic
from shared.vault import Cipher
from tests.services.cli_gateway import run


class KeptBus(MemoryBus):
    """Stays open, so that a test sees what a command published."""

    async def close(self) -> None:
        """Commands close their bus; the test still reads from this one."""


SECRET = "the-secret"
PLAIN = "turn.screened.v1"
RAW = "turn.received.v1"


@dataclass
class Post:
    """An office with two letters, and the bus behind it."""

    office: Office
    bus: KeptBus

    def arrived(self, topic: str) -> list[tuple[bytes, dict[str, str]]]:
        """What a topic holds now."""

        async def read() -> list[tuple[bytes, dict[str, str]]]:
            found: list[tuple[bytes, dict[str, str]]] = []
            subscription = self.bus.subscribe([topic], None)
            messages = aiter(subscription)
            while True:
                try:
                    message = await asyncio.wait_for(anext(messages), 0.05)
                except TimeoutError:
                    await subscription.close()
                    return found
                subscription.done(message)
                found.append((message.value, dict(message.headers)))

        return asyncio.run(read())


@pytest.fixture
def post(tmp_path: Path) -> Post:
    """One letter in the clear, one encrypted."""
    bus, cipher = KeptBus(), Cipher(SECRET)

    async def opened() -> MemoryBus:
        return bus

    def letter(topic: str, value: bytes, encrypted: str) -> Outgoing:
        headers = {"ce_id": "7", "dlq_reason": "boom \x1b[2J", "dlq_service": "cache"}
        headers |= {"dlq_handler": "look_up", "dlq_encrypted": encrypted, "dlq_unix_ms": "1000"}
        return Outgoing(dead_letter_topic(topic), "c-1", value, headers)

    letters = [
        letter(PLAIN, b'{"text": "<EMAIL_1>"}', "0"),
        letter(RAW, cipher.encrypt(b'{"text": "I am Ada"}'), "1"),
    ]
    asyncio.run(bus.publish(letters))
    return Post(Office(opened, cipher, tmp_path / "var" / "dlq-replayed.txt", quiet_s=0.05), bus)


def letter_names(post: Post) -> dict[str, str]:
    """Topic → the name of its letter."""
    rows = json.loads(run("dlq", "list", "--json", obj=post.office).stdout)
    return {row["letter"].split(":")[0]: row["letter"] for row in rows}


def test_dlq_list_tells_what_failed_without_its_content(post: Post) -> None:
    done = run("dlq", "list", obj=post.office)
    assert done.exit_code == 0, done.output
    assert "2 dead letters, 0 replayed" in done.stdout
    assert "Ada" not in done.stdout and "\x1b[2J" not in done.stdout
    rows = json.loads(run("dlq", "list", "--topic", RAW, "--json", obj=post.office).stdout)
    assert [(row["handler"], row["encrypted"]) for row in rows] == [("cache.look_up", True)]
    assert rows[0]["when"] == "1970-01-01T00:00:01+00:00"


def test_dlq_show_reveals_only_when_told(post: Post) -> None:
    names = letter_names(post)
    assert "<EMAIL_1>" in run("dlq", "show", names[PLAIN], obj=post.office).stdout
    hidden = run("dlq", "show", names[RAW], obj=post.office).stdout
    assert "Ada" not in hidden and "--reveal" in hidden
    assert "I am Ada" in run("dlq", "show", names[RAW], "--reveal", obj=post.office).stdout
    unknown = run("dlq", "show", f"{RAW}:0:99", obj=post.office)
    assert unknown.exit_code == 1 and "no dead letter" in unknown.stderr
    strange = run("dlq", "show", "secrets", obj=post.office)
    assert strange.exit_code == 1 and "no topic 'secrets'" in strange.stderr


def test_dlq_show_under_another_secret_is_a_clear_error(post: Post) -> None:
    name = letter_names(post)[RAW]
    other = Office(post.office.open, Cipher("another"), post.office.marks, quiet_s=0.05)
    done = run("dlq", "show", name, "--reveal", obj=other)
    assert done.exit_code == 1 and "another SECRET_KEY" in done.stderr
    replayed = run("dlq", "replay", "--all", obj=other)
    assert replayed.exit_code == 1 and replayed.stdout == "1 replayed, 0 were already\n"
    assert name not in other.replayed()


def test_dlq_replay_sends_each_original_once(post: Post) -> None:
    name = letter_names(post)[RAW]
    first = run("dlq", "replay", name, name, obj=post.office)
    assert first.exit_code == 0 and first.stdout == "1 replayed, 0 were already\n"
    assert post.arrived(RAW) == [(b'{"text": "I am Ada"}', {"ce_id": "7"})]
    assert post.office.marks.read_text() == f"{name}\n"
    rest = run("dlq", "replay", "--all", obj=post.office)
    assert rest.stdout == "1 replayed, 1 were already\n"
    assert len(post.arrived(RAW)) == 1 and len(post.arrived(PLAIN)) == 1
    assert "2 dead letters, 2 replayed" in run("dlq", "list", obj=post.office).stdout


def test_dlq_replay_wants_to_know_which(post: Post) -> None:
    for arguments in ([], ["--all", f"{RAW}:0:0"]):
        done = run("dlq", "replay", *arguments, obj=post.office)
        assert done.exit_code == 1 and "name the letters" in done.stderr
    assert asyncio.run(gathered(post.office, [PLAIN], ["none"])) == []
