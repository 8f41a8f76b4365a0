"""A circuit breaker: a store that hangs costs one short wait, not one for every call.

Source: M. Nygard, Release It!, 2nd edition (2018), "Circuit Breaker".
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from shared.errors import Unavailable

# A healthy store answers in a millisecond, and an event loop on two busy cores stands still for a
# tenth of a second now and then.
TIMEOUT_S = 0.3
PAUSE_S = 2.0


class Breaker:
    """Lets calls through until one fails; then none for a moment, then one to find out."""

    def __init__(
        self,
        name: str,
        failures: tuple[type[Exception], ...],
        *,
        timeout_s: float = TIMEOUT_S,
        pause_s: float = PAUSE_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`failures`: what says that the store is away, beside a call longer than `timeout_s`."""
        self._name = name
        self._failures: tuple[type[Exception], ...] = (*failures, TimeoutError)
        self._timeout_s = timeout_s
        self._pause_s = pause_s
        self._now_s = now_s
        self._closed_until_s = 0.0  # 0: not broken
        self._probing = False
        self._answered_at_s = 0.0

    @asynccontextmanager
    async def guard(self, *, probe: bool = False) -> AsyncIterator[None]:
        """Around one call. `probe`: ask in any case, for the caller is here to find out.

        Raises Unavailable: at once while the breaker is open, or because the call failed.
        """
        broken = self._closed_until_s > 0.0
        if broken and not probe and (self._probing or self._now_s() < self._closed_until_s):
            raise Unavailable(f"{self._name} was away a moment ago")
        self._probing = self._probing or broken
        began_s = self._now_s()
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except self._failures as error:
            # A call that timed out while others were answered waited in a crowd: busy, not away.
            if not (isinstance(error, TimeoutError) and self._answered_at_s > began_s):
                self._closed_until_s = self._now_s() + self._pause_s
            raise Unavailable(f"{self._name} did not answer: {type(error).__name__}") from error
        else:
            self._closed_until_s = 0.0
            self._answered_at_s = self._now_s()
        finally:
            if broken:
                self._probing = False
