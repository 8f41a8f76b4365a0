"""One suite for every place where answers are remembered."""

import uuid
from collections.abc import AsyncIterator

import numpy as np
import pytest

from services.cache.adapters import AnswerStore, Freshness, MemoryAnswerStore, RedisAnswerStore
from shared.answers import Remembered, Scope
from shared.clock import SystemClock
from shared.events import Citation
from shared.kv.redis import RedisKeyValue


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[AnswerStore]:
    clock = SystemClock()
    freshness = Freshness(clock, ttl_s=60, jitter=0.1, stale_s=60)
    if request.param == "memory":
        yield MemoryAnswerStore(clock, freshness, max_entries=3)
        return
    kv = RedisKeyValue(request.getfixturevalue("redis_url"))
    yield RedisAnswerStore(kv, freshness, max_entries=3)
    await kv.close()


@pytest.fixture
def scope() -> Scope:
    return Scope(f"tenant-{uuid.uuid4()}", "en", "v1")


def entry(name: str, document: str = "doc", version: str = "1") -> Remembered:
    citation = Citation(
        document_id=document, document_version=version, title="t", source="", snippet="", score=1
    )
    return Remembered(
        question=name,
        fingerprint=f"{name}-print",
        text=f"answer to {name}",
        route="knowledge_base",
        intent="x",
        tier="extractive",
        confidence=0.9,
        citations=(citation,),
    )


def vector(*head: float) -> bytes:
    full = np.zeros(384, np.float32)
    full[: len(head)] = head
    return (full / np.linalg.norm(full)).tobytes()


async def test_an_answer_is_found_by_its_exact_text(store: AnswerStore, scope: Scope) -> None:
    assert await store.exact(scope, "a-print") is None
    await store.remember(scope, entry("a"), vector(1))
    found = await store.exact(scope, "a-print")
    assert found is not None and found.text == "answer to a"
    assert found.is_fresh(SystemClock().unix_ms())


async def test_neighbours_come_nearest_first_with_their_cosine(
    store: AnswerStore, scope: Scope
) -> None:
    await store.remember(scope, entry("near"), vector(1, 0.1))
    await store.remember(scope, entry("far"), vector(0.2, 1))
    found = await store.nearest(scope, vector(1), 5)
    assert [e.question for _, e in found] == ["near", "far"]
    assert found[0][0] == pytest.approx(0.995, abs=0.01)
    assert found[1][0] == pytest.approx(0.196, abs=0.02)


async def test_nothing_is_shared_between_scopes(store: AnswerStore, scope: Scope) -> None:
    await store.remember(scope, entry("a"), vector(1))
    others = [
        Scope("other", scope.locale, scope.knowledge_version),
        Scope(scope.tenant_id, "de", scope.knowledge_version),
        Scope(scope.tenant_id, scope.locale, "v2"),
    ]
    for other in others:
        assert await store.exact(other, "a-print") is None
        assert list(await store.nearest(other, vector(1), 5)) == []


async def test_a_changed_document_takes_along_what_cites_it(
    store: AnswerStore, scope: Scope
) -> None:
    await store.remember(scope, entry("old", "doc", "1"), vector(1))
    await store.remember(scope, entry("other", "else", "1"), vector(0, 1))
    assert await store.forget_document(scope.tenant_id, "doc", "1") == 0
    assert await store.forget_document(scope.tenant_id, "doc", "2") == 1
    assert await store.exact(scope, "old-print") is None
    assert [e.question for _, e in await store.nearest(scope, vector(1), 5)] == ["other"]


async def test_memory_is_bounded(store: AnswerStore, scope: Scope) -> None:
    for n in range(6):
        await store.remember(scope, entry(f"q{n}"), vector(1, n))
    assert len(await store.nearest(scope, vector(1), 10)) <= 3
