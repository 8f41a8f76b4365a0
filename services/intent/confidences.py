"""How sure the router was, counted by week; and what the weekly look made of it."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from services.intent import drift
from shared.clock import Clock
from shared.errors import Unavailable
from shared.kv.port import KeyValue

KEEP_S = 60 * 86_400.0
_LATEST = "drift:latest"


@dataclass(frozen=True)
class Look:
    """What one weekly look found."""

    week: str
    index: dict[str, float | None]  # per tenant; None: too few messages
    accuracy: float | None  # of the route on the labelled messages; None without any
    labelled: int
    looked_unix_ms: int


class ConfidenceLog:
    """Counts in the key-value store, shared by all processes; a lost count harms nobody."""

    def __init__(self, kv: KeyValue, clock: Clock) -> None:
        self._kv = kv
        self._clock = clock

    async def count(self, tenant_id: str, confidence: float) -> None:
        """One message more."""
        week = drift.week_of(self._clock.unix_ms())
        with suppress(Unavailable):
            key = _key(tenant_id, week, drift.bin_of(confidence))
            await self._kv.increment(key, ttl_s=KEEP_S)

    async def week(self, tenant_id: str, week: str) -> list[int]:
        """The histogram of a week. Raises Unavailable."""
        keys = [_key(tenant_id, week, number) for number in range(drift.BINS)]
        return [int(value or 0) for value in await self._kv.get_many(keys)]

    async def keep(self, look: Look) -> None:
        """Remember the latest look. Raises Unavailable."""
        await self._kv.set(_LATEST, json.dumps(asdict(look)).encode(), ttl_s=KEEP_S)

    async def latest(self) -> Look | None:
        """The latest look. Raises Unavailable."""
        found = await self._kv.get(_LATEST)
        return None if found is None else Look(**json.loads(found))


async def look(
    log: ConfidenceLog,
    tenants: Sequence[str],
    week: str,
    *,
    reference: Sequence[float],
    right: Sequence[bool],
    now_unix_ms: int,
) -> Look:
    """Compare a week with the reference. `right`: of each labelled message, the route was."""
    expected = drift.histogram(reference)
    index = {
        tenant: drift.stability_index(expected, await log.week(tenant, week)) for tenant in tenants
    }
    accuracy = sum(right) / len(right) if right else None
    return Look(week, index, accuracy, len(right), now_unix_ms)


def _key(tenant_id: str, week: str, number: int) -> str:
    return f"confidence:{tenant_id}:{week}:{number}"
