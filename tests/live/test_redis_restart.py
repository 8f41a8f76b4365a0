"""What a Redis that was killed knows when it is back: it must be able to read its own log."""

from pathlib import Path

import numpy as np
import pytest

from infra.local.broker import free_port
from infra.local.redis_server import running_redis
from services.cache.adapters import Bounds, Freshness
from services.cache.redis_store import RedisAnswerStore
from shared.answers import Remembered, Scope
from shared.clock import SystemClock
from shared.kv.redis import RedisKeyValue

pytestmark = pytest.mark.live

SCOPE = Scope("morrow", "en", "v1", "p1")
VECTORS = [row.tobytes() for row in np.eye(3, 384, dtype=np.float32)]


def entry(name: str) -> Remembered:
    return Remembered(
        question=name,
        fingerprint=name,
        text="So.",
        route="knowledge_base",
        intent="",
        tier="extractive",
        confidence=0.9,
    )


async def test_remembered_answers_outlive_the_redis_that_held_them(tmp_path: Path) -> None:
    with running_redis(tmp_path, free_port()) as url:
        await use(url, remember=True)
    with running_redis(tmp_path, free_port()) as url:
        assert await use(url, remember=False) == ["0", "1", "2"]


async def use(url: str, *, remember: bool) -> list[str]:
    """The nearest answer to each vector, remembered before if asked to."""
    kv = RedisKeyValue(url)
    freshness = Freshness(SystemClock(), ttl_s=600, jitter=0, stale_s=600)
    store = RedisAnswerStore(kv, freshness, Bounds(10))
    for number, vector in enumerate(VECTORS if remember else ()):
        await store.remember(SCOPE, entry(str(number)), vector)
    found = [await store.nearest(SCOPE, vector, 1) for vector in VECTORS]
    await kv.close()
    return [nearest[0][1].question for nearest in found]
