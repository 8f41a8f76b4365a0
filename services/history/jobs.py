"""Retention: transcripts go when their time is over, a few at a time."""

import asyncio
import logging
from typing import Protocol

from services.history.adapters import DAY_MS
from services.history.settings import HistorySettings
from shared.clock import Clock

log = logging.getLogger(__name__)


class Purgeable(Protocol):
    """What can be purged in bounded batches."""

    async def purge(self, before_unix_ms: int, batch: int) -> int: ...

    async def forget_tombstones(self, before_unix_ms: int) -> int: ...


async def purge_once(store: Purgeable, settings: HistorySettings, clock: Clock) -> int:
    """Everything older than the retention goes; how many conversations. Raises Unavailable."""
    now_ms, purged = clock.unix_ms(), 0
    while True:
        gone = await store.purge(now_ms - settings.retention_days * DAY_MS, settings.purge_batch)
        purged += gone
        if gone < settings.purge_batch:
            break
        await asyncio.sleep(0)  # between batches, so that the writers of live turns get in
    await store.forget_tombstones(now_ms - settings.tombstone_days * DAY_MS)
    if purged:
        log.info("retention: purged %d conversations", purged)
    return purged
