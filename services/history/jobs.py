"""Retention: transcripts go when their time is over, a few at a time."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from services.history.adapters import DAY_MS
from services.history.settings import HistorySettings
from shared.clock import Clock
from shared.errors import Unavailable

log = logging.getLogger(__name__)


class Purgeable(Protocol):
    """What can be purged in bounded batches."""

    async def purge(self, before_unix_ms: int, batch: int) -> int: ...

    async def forget_tombstones(self, before_unix_ms: int) -> int: ...


async def purge_once(store: Purgeable, settings: HistorySettings, now_ms: int) -> int:
    """Everything older than the retention goes; how many conversations."""
    purged = 0
    while True:
        gone = await store.purge(now_ms - settings.retention_days * DAY_MS, settings.purge_batch)
        purged += gone
        if gone < settings.purge_batch:
            break
        await asyncio.sleep(0)  # between batches, so that the writers of live turns get in
    await store.forget_tombstones(now_ms - settings.tombstone_days * DAY_MS)
    return purged


async def purge_forever(
    store: Purgeable, settings: HistorySettings, clock: Clock, stopping: asyncio.Event
) -> None:
    """Purge now and then until told to stop. A database that is away is tried again next time."""
    while not stopping.is_set():
        try:
            if purged := await purge_once(store, settings, clock.unix_ms()):
                log.info("retention: purged %d conversations", purged)
        except Unavailable as error:
            log.warning("retention: %s", error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), settings.purge_every_s)
