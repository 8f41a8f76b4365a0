"""Steps are repeated, survive a store that is away, and end when told to."""

import asyncio
import logging

import pytest

from shared.errors import Unavailable
from shared.periodic import Periodic


async def test_a_step_is_repeated_also_after_it_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = asyncio.Semaphore(0)
    times = 0

    async def step() -> None:
        nonlocal times
        times += 1
        seen.release()
        if times == 1:
            raise Unavailable("Redis is away")
        if times == 2:
            raise ValueError("a fault of ours")

    with caplog.at_level(logging.WARNING):
        loop = Periodic("sweep", step, every_s=0.001)
        await loop.start()
        async with asyncio.timeout(5):
            for _ in range(3):
                await seen.acquire()
        await loop.stop()
    assert "sweep: Redis is away" in caplog.text
    assert "ValueError: a fault of ours" in caplog.text
    after = times
    await asyncio.sleep(0.01)
    assert times == after


async def test_stopping_lets_a_running_step_finish() -> None:
    begun, finished = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        begun.set()
        await asyncio.sleep(0.01)
        finished.set()

    loop = Periodic("purge", step, every_s=60)
    await loop.start()
    await begun.wait()
    async with asyncio.timeout(5):  # it does not wait for the next round
        await loop.stop()
        await loop.stop()
    assert finished.is_set()


async def test_one_that_never_began_can_be_stopped() -> None:
    async def step() -> None:
        raise AssertionError("not started")

    await Periodic("idle", step, every_s=1).stop()
