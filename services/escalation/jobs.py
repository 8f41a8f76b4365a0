"""Retention: closed cases go when their time is over, a few at a time."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from services.escalation.adapters import DAY_MS
from shared.clock import Clock
from shared.errors import Unavailable

log = logging.getLogger(__name__)

PURGE_EVERY_S = 3600.0
BATCH = 500


class Purgeable(Protocol):
    """What can be purged in bounded batches."""

    async def purge(self, before_unix_ms: int, batch: int) -> int: ...


async def purge_once(store: Purgeable, before_unix_ms: int) -> int:
    """Every case closed earlier goes; how many. Other writers get in between batches."""
    purged = gone = await store.purge(before_unix_ms, BATCH)
    while gone == BATCH:
        gone = await store.purge(before_unix_ms, BATCH)
        purged += gone
    return purged


async def purge_forever(
    store: Purgeable, retention_days: int, clock: Clock, stopping: asyncio.Event
) -> None:
    """Purge now and then until told to stop. A database that is away is tried again next time."""
    while not stopping.is_set():
        before_ms = clock.unix_ms() - retention_days * DAY_MS
        try:
            await purge_once(store, before_ms)
        except Unavailable as error:
            log.warning("retention: %s", error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), PURGE_EVERY_S)
