"""What a service does now and then, beside its messages: one loop, started and stopped with it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from shared.errors import Unavailable

log = logging.getLogger(__name__)


class Periodic:
    """Runs `step` at once and then every `every_s` seconds, until stopped.

    A step that finds its store away (Unavailable) is logged and tried again the next time; so is
    one with a fault, in full: a loop that ended unseen would let the store fill up. `stop` lets a
    running step finish; it may be called twice, or before `start`.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[object]], every_s: float) -> None:
        self._name, self._step, self._every_s = name, step, every_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self._step()
            except Unavailable as error:
                log.warning("%s: %s", self._name, error)
            except Exception:
                log.exception("%s: a fault", self._name)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_s)
