"""Single flight: identical questions under way wait for the first, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from services.cache.deps import Deps
from services.cache.flights import Flights
from services.cache.handlers import land_hand_over, lookup, remember
from shared.clock import SystemClock
from shared.errors import Unavailable
from shared.events import Answered, Escalated, Missed
from shared.kv.memory import MemoryKeyValue
from shared.kv.port import KeyValue
from shared.kv.redis import RedisKeyValue
from tests.services.cache.conftest import answered, asked, deps_on

QUESTION = "how do I clean the grinder"
CLOCK = SystemClock()
WAIT_S = 2.0


@pytest.fixture(params=["memory", "redis"])
async def two(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Deps, Deps]]:
    """Two cache processes on one store; on Redis, each with a connection of its own."""
    stores: list[KeyValue]
    if request.param == "memory":
        stores = [MemoryKeyValue()] * 2
    else:
        url = request.getfixturevalue("redis_url")
        stores = [RedisKeyValue(url, timeout_s=5), RedisKeyValue(url, timeout_s=5)]
        async with stores[0].calling() as redis:
            await redis.flushdb()
    first = deps_on(stores[0], CLOCK, flight_wait_s=WAIT_S)
    if request.param == "redis":
        yield first, deps_on(stores[1], CLOCK, flight_wait_s=WAIT_S)
    else:
        flights = Flights(stores[0], longest_wait_s=WAIT_S, alone_s=60, max_followers=2)
        yield first, replace(first, flights=flights)
    for store in stores:
        await store.close()


async def test_followers_get_the_first_ones_answer(two: tuple[Deps, Deps]) -> None:
    here, there = two
    leader = asked(QUESTION, CLOCK, turn="leader")
    assert isinstance((await lookup(leader, here))[0], Missed)
    waiting = [
        asyncio.create_task(lookup(asked(QUESTION, CLOCK, turn=f"f{n}"), deps))
        for n, deps in enumerate((here, here, there, there))
    ]
    await asyncio.sleep(0.1)
    assert not any(task.done() for task in waiting)
    await remember(await answered(leader, here), here)
    for (found,) in await asyncio.gather(*waiting):
        assert isinstance(found, Answered)
        assert (found.origin, found.similarity) == ("cache", 1.0)


async def test_a_delivery_of_the_leader_again_leads_again(two: tuple[Deps, Deps]) -> None:
    leader = asked(QUESTION, CLOCK, turn="leader")
    for deps in two:
        assert isinstance((await lookup(leader, deps))[0], Missed)


async def test_when_the_leader_dies_the_next_one_leads_and_none_waits_past_the_limit(
    two: tuple[Deps, Deps],
) -> None:
    await lookup(asked(QUESTION, CLOCK, turn="leader"), two[0])  # and then nothing comes
    started = CLOCK.monotonic_s()
    events = await asyncio.gather(
        *(lookup(asked(QUESTION, CLOCK, turn=f"f{n}"), deps) for n, deps in enumerate(two))
    )
    assert all(isinstance(event, Missed) for (event,) in events)
    assert WAIT_S / 2 < CLOCK.monotonic_s() - started < 2 * WAIT_S


async def test_an_answer_that_cannot_be_shared_frees_who_waits_and_who_comes_later(
    two: tuple[Deps, Deps],
) -> None:
    leader = asked(QUESTION, CLOCK, turn="leader")
    await lookup(leader, two[0])
    waiting = asyncio.create_task(lookup(asked(QUESTION, CLOCK, turn="f"), two[1]))
    await asyncio.sleep(0.05)
    await remember(await answered(leader, two[0], origin="faq", cacheable=False), two[0])
    started = CLOCK.monotonic_s()
    assert isinstance((await waiting)[0], Missed)
    assert isinstance((await lookup(asked(QUESTION, CLOCK, turn="later"), two[0]))[0], Missed)
    assert CLOCK.monotonic_s() - started < WAIT_S / 2


async def test_a_hand_over_frees_who_waits(two: tuple[Deps, Deps]) -> None:
    leader = asked(QUESTION, CLOCK, turn="leader")
    await lookup(leader, two[0])
    waiting = asyncio.create_task(lookup(asked(QUESTION, CLOCK, turn="f"), two[1]))
    await asyncio.sleep(0.05)
    started = CLOCK.monotonic_s()
    event = leader.then(Escalated, reason="", rule="low_confidence", question=QUESTION)
    await land_hand_over(event, two[0])
    assert isinstance((await waiting)[0], Missed)
    assert CLOCK.monotonic_s() - started < WAIT_S / 2


async def test_another_turns_end_does_not_land_the_flight(two: tuple[Deps, Deps]) -> None:
    await lookup(asked(QUESTION, CLOCK, turn="leader"), two[0])
    other = asked(QUESTION, CLOCK, turn="other")
    await remember(await answered(other, two[0], cacheable=False), two[0])
    assert await two[0].flights.board(asked(QUESTION, CLOCK, turn="f"), other.fingerprint) == (
        "follower"
    )


async def test_more_followers_than_there_are_seats_go_on_alone(two: tuple[Deps, Deps]) -> None:
    here, _ = two
    await lookup(asked(QUESTION, CLOCK, turn="leader"), here)
    tasks = [
        asyncio.create_task(lookup(asked(QUESTION, CLOCK, turn=f"f{n}"), here)) for n in range(5)
    ]
    while sum(task.done() for task in tasks) < 3:
        await asyncio.sleep(0.01)
    assert sum(task.done() for task in tasks) == 3
    await asyncio.wait(tasks)


async def test_a_conversation_does_not_wait_for_itself(two: tuple[Deps, Deps]) -> None:
    first = asked(QUESTION, CLOCK, turn="t1", conversation_id="c")
    again = asked(QUESTION, CLOCK, turn="t2", conversation_id="c")
    await lookup(first, two[0])
    started = CLOCK.monotonic_s()
    assert isinstance((await lookup(again, two[0]))[0], Missed)
    assert CLOCK.monotonic_s() - started < WAIT_S / 2


async def test_nobody_waits_longer_than_half_of_what_is_left_to_the_deadline(
    two: tuple[Deps, Deps],
) -> None:
    await lookup(asked(QUESTION, CLOCK, turn="leader"), two[0])
    hurried = asked(QUESTION, CLOCK, turn="f", deadline_unix_ms=CLOCK.unix_ms() + 400)
    started = CLOCK.monotonic_s()
    assert isinstance((await lookup(hurried, two[0]))[0], Missed)
    assert CLOCK.monotonic_s() - started < WAIT_S / 2


async def test_questions_of_other_scopes_do_not_wait(two: tuple[Deps, Deps]) -> None:
    await lookup(asked(QUESTION, CLOCK, turn="leader"), two[0])
    for more in ({"tenant_id": "x"}, {"locale": "de"}, {"knowledge_version": "k2"}):
        question = asked(QUESTION, CLOCK, turn="f", **more)
        assert await two[0].flights.board(question, question.fingerprint) == "leader"


async def test_without_the_store_every_question_goes_on_at_once() -> None:
    away = RedisKeyValue("redis://127.0.0.1:1/0", timeout_s=0.2)
    deps = deps_on(away, CLOCK)
    (found,) = await lookup(asked(QUESTION, CLOCK), deps)
    assert isinstance(found, Missed) and found.embedding is not None
    with pytest.raises(Unavailable):
        await deps.flights.board(asked(QUESTION, CLOCK), "x")
    await away.close()
