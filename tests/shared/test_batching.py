"""Calls that meet share a batch, in order, within bounds, and without harming each other."""

import asyncio
import threading
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.batching import BatchingExecutor
from shared.errors import Overloaded, Transient


class Doubler:
    """Doubles numbers, remembers its batches, and can be held back."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.go_on.wait(5)
        if min(items) < 0:
            raise ValueError("negative")
        return [2 * item for item in items]


def executor_of(doubler: Doubler, **more: float) -> BatchingExecutor[int, int]:
    bounds = {"queue": 64, "timeout_s": 5.0, **more}
    return BatchingExecutor("doubler", doubler, **bounds)  # type: ignore[arg-type]


async def started(doubler: Doubler, batches: int = 1) -> None:
    while len(doubler.batches) < batches:
        await asyncio.sleep(0.001)


async def test_a_lone_call_starts_at_once() -> None:
    doubler = Doubler()
    executor = executor_of(doubler, wait_s=30.0)
    assert await asyncio.wait_for(executor.run(21), 2) == 42
    executor.close()


async def test_calls_during_a_run_share_the_next_batch_of_at_most_sixteen() -> None:
    doubler = Doubler()
    executor = executor_of(doubler)
    doubler.go_on.clear()
    first = asyncio.create_task(executor.run(0))
    await started(doubler)
    others = [asyncio.create_task(executor.run(number)) for number in range(1, 21)]
    await asyncio.sleep(0)
    doubler.go_on.set()
    assert await asyncio.gather(first, *others) == [2 * number for number in range(21)]
    assert [len(batch) for batch in doubler.batches] == [1, 16, 4]
    executor.close()


async def test_one_bad_item_fails_alone() -> None:
    doubler = Doubler()
    executor = executor_of(doubler)
    found = await asyncio.gather(
        *(executor.run(number) for number in (12, -1, 14)), return_exceptions=True
    )
    assert found[0] == 24 and found[2] == 28
    assert isinstance(found[1], ValueError)
    assert await executor.run(1) == 2
    executor.close()


async def test_a_full_queue_is_said_and_empties_again() -> None:
    doubler = Doubler()
    executor = executor_of(doubler, queue=2)
    doubler.go_on.clear()
    running = asyncio.create_task(executor.run(1))
    await started(doubler)
    waiting = asyncio.create_task(executor.run(2))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="doubler"):
        await executor.run(3)
    doubler.go_on.set()
    assert await asyncio.gather(running, waiting) == [2, 4]
    assert await executor.run(3) == 6
    executor.close()


async def test_who_gives_up_before_the_start_is_not_computed() -> None:
    doubler = Doubler()
    executor = executor_of(doubler)
    doubler.go_on.clear()
    running = asyncio.create_task(executor.run(1))
    await started(doubler)
    given_up, kept = asyncio.create_task(executor.run(2)), asyncio.create_task(executor.run(3))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    doubler.go_on.set()
    assert await asyncio.gather(running, kept) == [2, 6]
    assert [item for batch in doubler.batches for item in batch] == [1, 3]
    executor.close()


async def test_too_slow_is_transient_and_does_not_block_the_next() -> None:
    doubler = Doubler()
    executor = executor_of(doubler, timeout_s=0.05)
    doubler.go_on.clear()
    with pytest.raises(Transient, match="longer than"):
        await executor.run(1)
    doubler.go_on.set()
    assert await executor.run(2) == 4
    executor.close()


async def test_closing_lets_nobody_wait_for_ever() -> None:
    doubler = Doubler()
    executor = executor_of(doubler)
    doubler.go_on.clear()
    running = asyncio.create_task(executor.run(1))
    await started(doubler)
    waiting = asyncio.create_task(executor.run(2))
    await asyncio.sleep(0)
    executor.close()
    doubler.go_on.set()
    for task in (running, waiting):
        with pytest.raises(asyncio.CancelledError):
            await task


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.integers(1, 5))
def test_everybody_gets_their_own_result(numbers: list[int], batch: int) -> None:
    async def all_at_once() -> list[int]:
        executor = executor_of(Doubler(), batch=batch)
        found = await asyncio.gather(*(executor.run(number) for number in numbers))
        executor.close()
        return list(found)

    assert asyncio.run(all_at_once()) == [2 * number for number in numbers]
