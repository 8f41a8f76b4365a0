"""A store that hangs, dies and comes back: what each call costs."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from shared.errors import Unavailable
from shared.kv.breaker import Breaker
from shared.kv.redis import RedisKeyValue


class HandClock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def breaker(clock: HandClock) -> Breaker:
    return Breaker("the store", (OSError,), timeout_s=0.05, pause_s=2.0, now_s=clock)


async def _hang(breaker: Breaker) -> None:
    with pytest.raises(Unavailable, match="the store did not answer: TimeoutError"):
        async with breaker.guard():
            await asyncio.sleep(10)


async def test_after_one_call_that_hung_the_next_fail_at_once(breaker: Breaker) -> None:
    await _hang(breaker)
    began_s = time.monotonic()
    for _ in range(100):
        with pytest.raises(Unavailable, match="away a moment ago"):
            async with breaker.guard():
                raise AssertionError("nobody may ask now")
    assert time.monotonic() - began_s < 0.05


async def test_an_error_of_the_store_opens_it_and_one_of_the_caller_does_not(
    breaker: Breaker,
) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with breaker.guard():
            raise ValueError("mine")
    with pytest.raises(Unavailable, match="ConnectionResetError"):
        async with breaker.guard():
            raise ConnectionResetError
    with pytest.raises(Unavailable, match="a moment ago"):
        async with breaker.guard():
            pass


async def test_after_the_pause_one_call_finds_out_and_the_others_go_on(
    breaker: Breaker, clock: HandClock
) -> None:
    await _hang(breaker)
    clock.now_s += 2.1
    async with breaker.guard():  # the probe is under way
        with pytest.raises(Unavailable, match="a moment ago"):
            async with breaker.guard():
                pass
    async with breaker.guard():
        pass  # it answered: everybody may ask again


async def test_one_that_waited_too_long_in_a_crowd_does_not_open_it(
    breaker: Breaker, clock: HandClock
) -> None:
    hanging = asyncio.create_task(_hang(breaker))
    await asyncio.sleep(0)
    clock.now_s += 0.02
    async with breaker.guard():
        pass
    await hanging
    async with breaker.guard():
        pass


async def test_a_probe_that_fails_keeps_it_open(breaker: Breaker, clock: HandClock) -> None:
    await _hang(breaker)
    clock.now_s += 2.1
    await _hang(breaker)
    with pytest.raises(Unavailable, match="a moment ago"):
        async with breaker.guard():
            pass


async def test_a_cancelled_probe_leaves_the_way_free_for_the_next(
    breaker: Breaker, clock: HandClock
) -> None:
    await _hang(breaker)
    clock.now_s += 2.1

    async def probe() -> None:
        async with breaker.guard():
            await asyncio.sleep(10)

    probing = asyncio.create_task(probe())
    await asyncio.sleep(0)
    probing.cancel()
    await asyncio.wait([probing])
    async with breaker.guard():
        pass


async def test_who_is_here_to_find_out_asks_in_any_case(breaker: Breaker) -> None:
    await _hang(breaker)
    async with breaker.guard(probe=True):
        pass
    async with breaker.guard():
        pass


@pytest.fixture
async def hung() -> AsyncIterator[RedisKeyValue]:
    """A store whose server takes connections and requests, and never says anything."""
    silent = asyncio.Event()

    async def keep_silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(keep_silent, "127.0.0.1", 0)
    store = RedisKeyValue(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
    yield store
    await store.close()
    silent.set()
    server.close()
    await server.wait_closed()


async def test_a_hung_redis_costs_one_short_wait(hung: RedisKeyValue) -> None:
    began_s = time.monotonic()
    for _ in range(20):
        with pytest.raises(Unavailable):
            await hung.get("x")
        with pytest.raises(Unavailable):
            await hung.append_once("x", {"id": b"v"}, ttl_s=1.0, max_items=1)
    assert not await hung.ping()
    assert time.monotonic() - began_s < 1.5


async def test_many_calls_at_once_on_a_hung_redis_wait_together(hung: RedisKeyValue) -> None:
    began_s = time.monotonic()
    calls = [hung.set(str(n), b"1") for n in range(200)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {Unavailable}
    assert time.monotonic() - began_s < 1.5


async def test_more_calls_than_connections_take_turns(redis_url: str) -> None:
    store = RedisKeyValue(redis_url, timeout_s=5.0)
    await asyncio.gather(*(store.set(f"turn-{n}", b"1", ttl_s=5.0) for n in range(300)))
    assert await store.get("turn-299") == b"1"
    await store.close()
