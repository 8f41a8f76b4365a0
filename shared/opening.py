"""A process that starts answers HTTP before it hears the bus: what comes in between is held.

A question taken by a gateway that has not found its place in the topic of answers would be
answered within milliseconds, unheard. So requests wait until the service is ready, but no longer
than a start usually takes: with the broker away it never is, and they are served as well as can be.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.clock import Clock

HOLD_S: Final = 5.0
_LOOK_S = 0.02
_ALWAYS = ("/healthz", "/readyz", "/metrics")


class Opening:
    """ASGI middleware: holds requests and sockets, except of health and metrics."""

    def __init__(
        self, app: ASGIApp, ready: Callable[[], bool], clock: Clock, hold_s: float = HOLD_S
    ) -> None:
        self._app = app
        self._ready = ready
        self._clock = clock
        self._until_s = clock.monotonic_s() + hold_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and not scope["path"].startswith(_ALWAYS):
            # The host has a flag, which also goes down again: nothing there could be awaited.
            while not self._ready() and self._clock.monotonic_s() < self._until_s:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_S)
        await self._app(scope, receive, send)
