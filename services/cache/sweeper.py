"""Clears what expired entries leave behind, a bounded step at a time."""

from collections.abc import Sequence

from services.cache.adapters import AnswerStore
from shared import metrics


async def sweep_once(store: AnswerStore, tenants: Sequence[str]) -> int:
    """One step, and how full the cache of each tenant is after it. Raises Unavailable."""
    gone = await store.sweep()
    for tenant_id in tenants:
        metrics.CACHE_ENTRIES.labels(tenant_id).set(await store.size(tenant_id))
    return gone
