"""Model calls of several turns in one: bounded, timed, off the event loop.

Company makes batches: a lone call starts at once; calls that come while one runs, or within
`wait_s` of each other under load, share the next. Source of the idea: Clipper, Crankshaw et al.
2017, §4.3 (adaptive batching).
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import Overloaded, Transient

Item = TypeVar("Item")
Result = TypeVar("Result")

BATCH_ITEMS = 16
WAIT_S = 0.005


@dataclass(slots=True, eq=False)
class _Call(Generic[Item, Result]):
    item: Item
    result: "asyncio.Future[Result]"


class BatchingExecutor(Generic[Item, Result]):
    """Runs `function` on batches of items in a thread of its own. For one event loop.

    `function` gives one result per item, in their order. If it raises, each item of the batch is
    tried alone, so that a bad one fails nobody else.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Sequence[Item]], Sequence[Result]],
        *,
        queue: int,
        timeout_s: float,
        batch: int = BATCH_ITEMS,
        wait_s: float = WAIT_S,
    ) -> None:
        self._name = name
        self._function = function
        self._queue = queue
        self._timeout_s = timeout_s
        self._batch = batch
        self._wait_s = wait_s
        self._waiting: deque[_Call[Item, Result]] = deque()
        self._full = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._running: list[_Call[Item, Result]] = []
        self._company = False  # the last batch held several: worth waiting for more
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, item: Item) -> Result:
        """The result for `item`. A caller that is cancelled before its batch starts leaves it.

        Raises:
            Overloaded: `queue` items wait or run already.
            Transient: not finished in time; the thread finishes it for nobody.
        """
        if len(self._waiting) + len(self._running) >= self._queue:
            raise Overloaded(f"too much waits for {self._name}")
        call: _Call[Item, Result] = _Call(item, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if len(self._waiting) >= self._batch:
            self._full.set()
        if self._runner is None:
            self._runner = asyncio.create_task(self._run_all())
        try:
            return await asyncio.wait_for(call.result, self._timeout_s)
        except TimeoutError:
            raise Transient(f"{self._name} took longer than {self._timeout_s} s") from None

    def close(self) -> None:
        """Whoever waits is cancelled; what runs ends by itself, for nobody."""
        if self._runner is not None:
            self._runner.cancel()
        for call in (*self._running, *self._waiting):
            call.result.cancel()
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                if self._company and len(self._waiting) < self._batch:
                    await self._more()
                await self._run_one(self._taken())
        finally:
            self._runner = None

    async def _more(self) -> None:
        """Give others `wait_s` to join; less when the batch fills."""
        self._full.clear()
        try:
            await asyncio.wait_for(self._full.wait(), self._wait_s)
        except TimeoutError:
            return

    def _taken(self) -> list[_Call[Item, Result]]:
        taken: list[_Call[Item, Result]] = []
        while self._waiting and len(taken) < self._batch:
            call = self._waiting.popleft()
            if not call.result.done():  # nobody waits for it any more
                taken.append(call)
        return taken

    async def _run_one(self, calls: list[_Call[Item, Result]]) -> None:
        self._company = len(calls) > 1
        if not calls:
            return
        self._running = calls
        loop = asyncio.get_running_loop()
        items = [call.item for call in calls]
        try:
            outcomes = await loop.run_in_executor(self._thread, self._outcomes, items)
        finally:
            self._running = []
        for call, (result, error) in zip(calls, outcomes, strict=True):
            if call.result.done():
                continue
            if error is not None:
                call.result.set_exception(error)
            else:
                call.result.set_result(result)  # type: ignore[arg-type]

    def _outcomes(self, items: list[Item]) -> list[tuple[Result | None, Exception | None]]:
        try:
            return [(result, None) for result in self._function(items)]
        except Exception as error:  # whatever a model raises belongs to those who asked
            if len(items) == 1:
                return [(None, error)]
        return [outcome for item in items for outcome in self._outcomes([item])]
