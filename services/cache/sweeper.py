"""Clears what expired entries leave behind, a bounded step at a time."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from services.cache.adapters import AnswerStore
from shared import metrics
from shared.errors import Unavailable

log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps until told to stop. A store that is away is swept the next time."""

    def __init__(self, store: AnswerStore, tenants: Sequence[str], every_s: float) -> None:
        self._store = store
        self._tenants = tenants
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.sweep_once()
            except Unavailable as error:
                log.warning("sweep: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_s)

    async def sweep_once(self) -> int:
        """One step, and how full the cache is after it. Raises Unavailable."""
        gone = await self._store.sweep()
        for tenant_id in self._tenants:
            metrics.CACHE_ENTRIES.labels(tenant_id).set(await self._store.size(tenant_id))
        return gone

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task
