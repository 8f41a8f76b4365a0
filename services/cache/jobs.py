"""Celery task: keep the answers to the most asked questions warm. It only says so; the cache acts.

Scheduled in `services/jobs.py`.
"""

import asyncio
from collections.abc import Sequence

from services.cache.api import Sender
from services.jobs import app
from shared.boards import PolicyBoard
from shared.bus import open_bus
from shared.clock import Clock, SystemClock
from shared.events import WarmUpRequested
from shared.keys import KeyRing
from shared.publisher import Publisher
from shared.settings import Settings, load

PUBLISH_TIMEOUT_S = 30.0


@app.task(name="cache.warm_up")  # type: ignore[untyped-decorator]  # celery has no types
def warm_up() -> None:
    """Ask for a warm-up for every tenant."""
    asyncio.run(_warm_up(load(Settings)))


async def _warm_up(settings: Settings) -> None:
    bus = open_bus(settings.bus_url, client_id="celery-cache")
    try:
        publisher = Publisher(bus, PolicyBoard(), "cache")
        await request_warm_up(KeyRing.open(settings).tenants(), publisher, SystemClock())
    finally:
        await bus.close()


async def request_warm_up(tenants: Sequence[str], sender: Sender, clock: Clock) -> None:
    """Publish one request a tenant. Raises Unavailable."""
    for tenant_id in tenants:
        request = WarmUpRequested(tenant_id=tenant_id, requested_unix_ms=clock.unix_ms())
        await sender.publish(request, timeout_s=PUBLISH_TIMEOUT_S)
