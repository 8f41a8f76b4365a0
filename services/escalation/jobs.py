"""Retention: closed cases go when their time is over, a few at a time."""

from typing import Protocol

from services.escalation.adapters import DAY_MS
from shared.clock import Clock

PURGE_EVERY_S = 3600.0
BATCH = 500


class Purgeable(Protocol):
    """What can be purged in bounded batches."""

    async def purge(self, before_unix_ms: int, batch: int) -> int: ...


async def purge_once(store: Purgeable, retention_days: int, clock: Clock) -> int:
    """Every case closed earlier goes; how many. Other writers get in between batches.

    Raises Unavailable.
    """
    before_unix_ms = clock.unix_ms() - retention_days * DAY_MS
    purged = gone = await store.purge(before_unix_ms, BATCH)
    while gone == BATCH:
        gone = await store.purge(before_unix_ms, BATCH)
        purged += gone
    return purged
