"""Acknowledgements on their way from a client's thread to whoever awaits `publish`."""

import asyncio
import threading
from collections.abc import Callable

from shared.errors import Overloaded

MAX_BUFFERED = 10_000  # messages handed to the client and not yet acknowledged


class SendBuffer:
    """How many messages the client holds. Full means Overloaded, never waiting in silence."""

    def __init__(self, bound: int = MAX_BUFFERED) -> None:
        self._bound = bound
        self._lock = threading.Lock()
        self._held = 0

    def receipt(self, count: int) -> "Receipt":
        """Room for `count` messages, given back as each is settled. Raises Overloaded."""
        with self._lock:
            if self._held + count > self._bound:
                raise Overloaded(f"{self._held} messages wait for the broker")
            self._held += count
        return Receipt(count, self._give_back)

    def _give_back(self, count: int) -> None:
        with self._lock:
            self._held -= count


class Receipt:
    """Settled once every message of one `publish` is; `settle` may be called from any thread."""

    def __init__(self, count: int, give_back: Callable[[int], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._give_back = give_back
        self._lock = threading.Lock()
        self._open = count
        self._error: BaseException | None = None
        self._all = self._loop.create_future()
        if count == 0:
            self._all.set_result(None)

    async def wait(self) -> None:
        """Return when all are acknowledged; raises the first error once all are settled."""
        await self._all

    def settle(self, error: BaseException | None = None, count: int = 1) -> None:
        """So many messages are acknowledged, or given up."""
        self._give_back(count)
        with self._lock:
            self._open -= count
            self._error = self._error or error
            over = self._open == 0
        if over and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if self._all.done():  # whoever waited gave up
            return
        if self._error is None:
            self._all.set_result(None)
        else:
            self._all.set_exception(self._error)
