"""Celery task: keep the answers to the most asked questions warm. It only says so; the cache acts.

Scheduled in `services/jobs.py`.
"""

import asyncio
import logging

from services.jobs import app
from shared.boards import PolicyBoard
from shared.bus import open_bus
from shared.clock import SystemClock
from shared.events import WarmUpRequested
from shared.keys import KeyRing
from shared.publisher import Publisher
from shared.settings import Settings, load

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT_S = 30.0


@app.task(name="cache.warm_up")  # type: ignore[untyped-decorator]  # celery has no types
def warm_up() -> None:
    """Ask for a warm-up for every tenant."""
    asyncio.run(request_warm_up(load(Settings)))


async def request_warm_up(settings: Settings) -> None:
    """Publish one request a tenant. Raises Unavailable."""
    bus = open_bus(settings.bus_url, client_id="celery-cache")
    now_ms = SystemClock().unix_ms()
    try:
        publisher = Publisher(bus, PolicyBoard(), "cache")
        for tenant_id in KeyRing.open(settings).tenants():
            request = WarmUpRequested(tenant_id=tenant_id, requested_unix_ms=now_ms)
            await publisher.publish(request, timeout_s=PUBLISH_TIMEOUT_S)
    finally:
        await bus.close()
