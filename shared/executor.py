"""CPU work off the event loop: one bounded queue, one time limit, our error signals."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.errors import Overloaded, Transient

Result = TypeVar("Result")


class BoundedExecutor:
    """Runs blocking functions in `threads` threads, at most `queue` waiting or running."""

    def __init__(self, name: str, *, threads: int = 1, queue: int, timeout_s: float) -> None:
        self._name = name
        self._timeout_s = timeout_s
        self._free = queue
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, function: Callable[..., Result], *arguments: object) -> Result:
        """The function's result.

        Raises:
            Overloaded: the queue is full.
            Transient: not finished in time; the thread finishes it for nobody.
        """
        if self._free <= 0:
            raise Overloaded(f"too much waits for {self._name}")
        self._free -= 1
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, function, *arguments)
        work.add_done_callback(self._release)
        try:
            return await asyncio.wait_for(asyncio.shield(work), self._timeout_s)
        except TimeoutError:
            raise Transient(f"{self._name} took longer than {self._timeout_s} s") from None

    def _release(self, work: "asyncio.Future[Result]") -> None:
        self._free += 1
        if not work.cancelled():
            work.exception()  # seen: a late failure of abandoned work is not a warning

    def close(self) -> None:
        """Drop what waits; what runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
