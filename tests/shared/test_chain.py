"""What happens around every handler, on the memory bus with hand-built services."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.bus.memory import MemoryBus
from shared.bus.port import Message, Outgoing
from shared.chain import MAX_ATTEMPTS
from shared.clock import SystemClock
from shared.codec import decode
from shared.errors import InvalidEvent, Overloaded, Transient
from shared.events import Answered, Escalated, Event, Missed, Screened, TurnStopped
from shared.kv.memory import MemoryKeyValue
from shared.runner import Controls as StopControls
from shared.runner import Runtime, Worker, heed_stop
from shared.service import Service
from shared.settings import Settings

TURN = "11111111-2222-4333-8444-555555555555"


def screened(text: str = "hello", turn: str = TURN, conversation: str = "c1") -> Screened:
    now_ms = SystemClock().unix_ms()
    return Screened(
        tenant_id="t",
        conversation_id=conversation,
        turn_id=turn,
        deadline_unix_ms=now_ms + 10_000,
        text=text,
        fingerprint="f",
    )


@dataclass
class Script:
    """Dependencies of the handlers below: what they did, and what they should do next."""

    seen: list[str] = field(default_factory=list)
    act: Callable[[int], None] = lambda attempt: None


async def look(event: Screened, deps: Script) -> Missed:
    deps.seen.append(event.text)
    deps.act(len(deps.seen))
    return event.then(Missed)


async def speak(event: Screened, deps: Script) -> AsyncIterator[Answered]:
    for part in range(5):
        deps.seen.append(str(part))
        deps.act(part)
        yield event.then(Answered, part=part, last=part == 4, text="x", route="faq", origin="faq")
        await asyncio.sleep(0.01)


@dataclass
class World:
    bus: MemoryBus
    runtime: Runtime

    async def run(self, handler: Callable[..., object], script: Script) -> Worker:
        worker = Worker(Service("cache", script, handlers=(handler,)), self.runtime)
        await worker.start()
        return worker

    async def published(self, topic: str, count: int = 1) -> list[Message]:
        subscription = self.bus.subscribe([topic], None, start="earliest")
        found = []
        async for message in subscription:
            found.append(message)
            if len(found) == count:
                break
        await subscription.close()
        return found

    async def events(self, event: type[Event], count: int = 1) -> list[Event]:
        return [decode(message) for message in await self.published(event.topic, count)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    bus, settings = MemoryBus(), Settings(var_dir=tmp_path)
    yield World(bus, Runtime.open("cache", settings, bus, MemoryKeyValue(), SystemClock()))
    await bus.close()


async def test_an_output_carries_the_envelope_and_the_time_of_its_step(world: World) -> None:
    worker = await world.run(look, Script())
    await world.runtime.publisher.publish(screened("where is it?"))
    (missed,) = await world.events(Missed)
    assert isinstance(missed, Missed)
    assert (missed.turn_id, missed.text) == (TURN, "where is it?")
    assert set(missed.timings_ms) == {"look"}
    await worker.stop()


async def test_a_passing_trouble_is_tried_again(world: World) -> None:
    def fail_once(attempt: int) -> None:
        if attempt == 1:
            raise Transient("a moment")

    script = Script(act=fail_once)
    worker = await world.run(look, script)
    await world.runtime.publisher.publish(screened())
    await world.events(Missed)
    assert len(script.seen) == 2
    await worker.stop()


async def note(event: Answered, deps: Script) -> None:
    deps.seen.append(event.text)
    deps.act(len(deps.seen))


async def test_what_nobody_waits_for_outlasts_more_than_a_moment_of_trouble(world: World) -> None:
    def fail_at_first(attempt: int) -> None:
        if attempt <= MAX_ATTEMPTS + 2:
            raise Overloaded("away", 0.01)

    script = Script(act=fail_at_first)
    worker = await world.run(note, script)
    answer = screened().then(Answered, text="x", route="faq", origin="faq")
    await world.runtime.publisher.publish(answer)
    async with asyncio.timeout(5.0):
        while worker.handled == 0:
            await asyncio.sleep(0.01)
    assert len(script.seen) == MAX_ATTEMPTS + 3
    assert await world.bus.lag("nobody", ["turn.answered.v1.dlq"]) == {"turn.answered.v1.dlq": 0}
    await worker.stop()


@pytest.mark.parametrize(
    "error", [ValueError("a bug with customer text"), InvalidEvent("bad"), Overloaded("full", 0.01)]
)
async def test_what_cannot_work_is_buried_and_the_customer_handed_over(
    world: World, error: Exception
) -> None:
    def fail(attempt: int) -> None:
        raise error

    worker = await world.run(look, Script(act=fail))
    await world.runtime.publisher.publish(screened("my question"))
    (escalated,) = await world.events(Escalated)
    assert isinstance(escalated, Escalated)
    assert (escalated.rule, escalated.question) == ("failure.cache", "my question")
    (letter,) = await world.published("turn.screened.v1.dlq")
    assert letter.headers["dlq_handler"] == "look"
    assert "customer text" not in letter.headers["dlq_reason"]
    await worker.stop()


async def test_bytes_that_are_no_event_are_buried_encrypted(world: World) -> None:
    script = Script()
    worker = await world.run(look, script)
    await world.bus.publish([Outgoing("turn.screened.v1", "c1", b"\xff not json", {})])
    (letter,) = await world.published("turn.screened.v1.dlq")
    assert b"not json" not in letter.value
    assert world.runtime.cipher.decrypt(letter.value) == b"\xff not json"
    assert script.seen == []
    await worker.stop()


async def test_a_finished_message_is_not_worked_on_twice(world: World) -> None:
    script = Script()
    worker = await world.run(look, script)
    await world.runtime.publisher.publish(screened())
    await world.events(Missed)
    await asyncio.sleep(0.05)
    await world.runtime.publisher.publish(screened())
    await world.runtime.publisher.publish(screened(turn="21111111-2222-4333-8444-555555555555"))
    await world.events(Missed, count=2)
    assert len(script.seen) == 2
    await worker.stop()


async def test_messages_of_one_conversation_keep_their_order(world: World) -> None:
    script = Script()
    worker = await world.run(look, script)
    turns = [f"{n:08d}-2222-4333-8444-555555555555" for n in range(30)]
    for n, turn in enumerate(turns):
        await world.runtime.publisher.publish(screened(str(n), turn))
    await world.events(Missed, count=30)
    assert script.seen == [str(n) for n in range(30)]
    await worker.stop()


async def test_a_stopped_turn_is_streamed_no_further(world: World) -> None:
    def stop_at_two(part: int) -> None:
        if part == 2:
            world.runtime.stops.post(TURN)

    script = Script(act=stop_at_two)
    worker = await world.run(speak, script)
    await world.runtime.publisher.publish(screened())
    answers = await world.events(Answered, count=2)
    await asyncio.sleep(0.1)
    assert len(answers) == 2 and script.seen == ["0", "1", "2"]
    await worker.stop()


async def test_hearing_of_a_stop_puts_the_turn_on_the_board(world: World) -> None:
    event = screened().then(TurnStopped)
    await heed_stop(event, StopControls(world.runtime.policy, world.runtime.stops, "cache"))
    assert world.runtime.stops.has(TURN)


async def test_an_event_long_past_its_deadline_is_not_worked_on(world: World) -> None:
    script = Script()
    worker = await world.run(look, script)
    late = screened("late", "31111111-2222-4333-8444-555555555555")
    await world.runtime.publisher.publish(late.model_copy(update={"deadline_unix_ms": 1}))
    await world.runtime.publisher.publish(screened("on time"))
    await world.events(Missed)
    assert script.seen == ["on time"]
    await worker.stop()
