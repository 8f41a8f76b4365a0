"""What customers get while the broker is away, and afterwards."""

import asyncio
from pathlib import Path

import pytest

from services.gateway.outbox import Outbox
from shared.answers import Remembered, Scope
from shared.codec import decode
from shared.errors import Overloaded
from shared.events import Answered, Received
from shared.fingerprint import fingerprint
from shared.vault import Cipher
from tests.services.gateway.conftest import Gateway, OpenGateway

KEY = ("morrow", "c")


def message(number: int) -> Received:
    return Received(
        tenant_id="morrow",
        conversation_id="c",
        turn_id=f"turn-{number}",
        deadline_unix_ms=1,
        text=f"secret {number}",
    )


def opened(path: Path, name: str, limit: int = 10) -> Outbox:
    return Outbox(path, name, Cipher("key"), limit)


async def test_a_message_is_kept_and_the_customer_is_told(gateway: Gateway) -> None:
    gateway.bus.away = True
    answer = await gateway.ask("Where is my parcel?")
    assert answer["origin"] == "degraded"
    assert "kept" in answer["answer"]
    person = await gateway.ask("I want to speak to a human")
    assert person["route"] == "escalate_human"


async def test_what_was_kept_is_answered_when_the_broker_is_back(gateway: Gateway) -> None:
    gateway.bus.away = True
    kept = await gateway.ask("Where is my parcel?")
    gateway.bus.away = False
    await asyncio.sleep(0.4)
    key = ("morrow", kept["conversation_id"])
    frames = await gateway.host.service.deps.delivery.after(key, 0)
    assert [frame["type"] for _, frame in frames] == ["ack", "answer", "answer"]
    assert frames[-1][1]["answer"] == "You said: Where is my parcel?"
    later = await gateway.ask("And now?", conversation_id=kept["conversation_id"])
    assert later["origin"] == "knowledge"


async def store_answer(gateway: Gateway, question: str, text: str) -> None:
    """As the cache would have, when all was well."""
    runtime = gateway.host.runtime
    scope = Scope("morrow", "en", "", runtime.policy.current.best_answer_version)
    answer = Remembered(
        question=question,
        fingerprint=fingerprint(question),
        text=text,
        route="knowledge_base",
        intent="",
        tier="extractive",
        confidence=0.9,
    )
    key = scope.answer_key(answer.fingerprint)
    await runtime.kv.set(key, answer.model_dump_json().encode(), ttl_s=60)


async def first_answered(gateway: Gateway, origin: str) -> Answered:
    """The first answer of that origin on the bus."""
    subscription = gateway.bus.subscribe([Answered.topic], None, start="earliest")
    async with asyncio.timeout(5):
        async for message in subscription:
            event = decode(message)
            assert isinstance(event, Answered)
            subscription.done(message)
            if event.origin == origin:
                break
    await subscription.close()
    return event


async def test_a_stored_answer_is_told_once_and_recorded_when_the_broker_is_back(
    gateway: Gateway,
) -> None:
    await store_answer(gateway, "What does a return cost?", "4.95 euros.")
    gateway.bus.away = True
    told = await gateway.ask("what does a return cost")
    assert (told["answer"], told["origin"]) == ("4.95 euros.", "cache")
    gateway.bus.away = False
    event = await first_answered(gateway, "cache")
    assert (event.turn_id, event.told, event.text) == (told["turn_id"], True, "4.95 euros.")
    assert event.question == "What does a return cost?"
    key = ("morrow", told["conversation_id"])
    await asyncio.sleep(0.2)  # until the outbox has let go of it
    follow_up = await gateway.ask("And by air?", conversation_id=told["conversation_id"])
    assert follow_up["answer"] == "You said: And by air? after 1"
    frames = await gateway.host.service.deps.delivery.after(key, 0)
    assert [frame["type"] for _, frame in frames] == ["ack", "answer", "ack", "answer"]


async def test_a_stored_answer_is_told_even_with_a_full_outbox(open_gateway: OpenGateway) -> None:
    async with open_gateway(outbox_messages=0) as gateway:
        await store_answer(gateway, "What does a return cost?", "4.95 euros.")
        gateway.bus.away = True
        told = await gateway.ask("What does a return cost?")
        assert told["answer"] == "4.95 euros."


async def test_kept_messages_survive_the_process_in_order_and_unreadable(tmp_path: Path) -> None:
    dead = opened(tmp_path, "gateway-1")
    for number in range(3):
        await dead.put(message(number))
    content = (tmp_path / "gateway-1.sqlite").read_bytes()
    assert b"secret" not in content
    dead._held.close()  # what the kernel does when a process is killed
    heir = opened(tmp_path, "gateway-2")
    texts = []
    while row := await heir.oldest():
        texts.append(row[1].text)
        assert heir.holds(KEY)
        await heir.drop(*row)
    assert texts == ["secret 0", "secret 1", "secret 2"]
    assert not heir.holds(KEY)
    heir.close()
    dead._database.close()


async def test_a_living_process_keeps_its_outbox(tmp_path: Path) -> None:
    alive = opened(tmp_path, "gateway-1")
    await alive.put(message(0))
    other = opened(tmp_path, "gateway-2")
    assert len(other) == 0
    other.close()
    alive.close()
    again = opened(tmp_path, "gateway-1")
    assert len(again) == 1
    again.close()


async def test_a_full_outbox_refuses(tmp_path: Path) -> None:
    outbox = opened(tmp_path, "gateway-1", limit=1)
    await outbox.put(message(0))
    with pytest.raises(Overloaded):
        await outbox.put(message(1))
    outbox.close()


async def test_a_refused_message_is_a_503(open_gateway: OpenGateway) -> None:
    async with open_gateway(outbox_messages=0) as gateway:
        gateway.bus.away = True
        response = await gateway.client.post(
            "/v1/chat", json={"message": "hi"}, headers={"X-Switchboard-Key": "widget"}
        )
        assert response.status_code == 503
        assert response.headers["retry-after"]


async def test_a_message_under_another_key_stays_and_stops_nobody(tmp_path: Path) -> None:
    before = Outbox(tmp_path, "gateway-1", Cipher("old key"), 10)
    await before.put(message(0))
    before.close()
    after = opened(tmp_path, "gateway-1")
    await after.put(message(1))
    assert (await after.oldest() or (0, message(9)))[1].text == "secret 1"
    after.close()
    assert (tmp_path / "gateway-1.sqlite").exists()
