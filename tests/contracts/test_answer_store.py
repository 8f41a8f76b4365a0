"""One suite for every place where answers are remembered."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import numpy as np
import pytest

from services.cache.adapters import AnswerStore, Bounds, Freshness
from services.cache.memory_store import MemoryAnswerStore
from services.cache.redis_store import RedisAnswerStore
from shared.answers import Remembered, Scope
from shared.clock import SystemClock
from shared.events import Citation
from shared.kv.redis import RedisKeyValue

Opener = Callable[..., AnswerStore]


@pytest.fixture(params=["memory", "redis"])
async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Opener]:
    """Opens stores of one kind; those of one test share what they keep, if the kind can."""
    clock = SystemClock()
    kv = None
    if request.param == "redis":
        kv = RedisKeyValue(request.getfixturevalue("redis_url"))

    def opener(ttl_s: float = 60, stale_s: float = 60, **bounds: int) -> AnswerStore:
        freshness = Freshness(clock, ttl_s=ttl_s, jitter=0.1, stale_s=stale_s)
        limits = Bounds(**{"entries": 3, **bounds})
        if kv is None:
            return MemoryAnswerStore(clock, freshness, limits)
        return RedisAnswerStore(kv, freshness, limits)

    yield opener
    if kv is not None:
        await kv.close()


@pytest.fixture
def store(opened: Opener) -> AnswerStore:
    return opened()


@pytest.fixture
def scope() -> Scope:
    return Scope(f"tenant:{uuid.uuid4()}", "en", "v1", "p1")


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
        replace(scope, tenant_id="other"),
        replace(scope, locale="de"),
        replace(scope, knowledge_version="v2"),
        replace(scope, policy_version="p2"),
        replace(scope, locale="en:v1", knowledge_version="p1"),  # a caller chooses the locale
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


async def test_an_answer_made_anew_from_another_document_outlives_the_first_one(
    store: AnswerStore, scope: Scope
) -> None:
    await store.remember(scope, entry("a", "old"), vector(1))
    await store.remember(scope, entry("a", "new"), vector(1))
    assert await store.forget_document(scope.tenant_id, "old", "2") == 0
    assert await store.exact(scope, "a-print") is not None


async def test_the_least_used_entry_makes_room(store: AnswerStore, scope: Scope) -> None:
    for n in range(3):
        await store.remember(scope, entry(f"q{n}"), vector(1, n))
    for used in ("q0-print", "q2-print"):
        await store.served(scope, used)
    await store.remember(scope, entry("q3"), vector(1, 3))
    assert await store.size(scope.tenant_id) == 3
    assert await store.exact(scope, "q1-print") is None
    found = await store.nearest(scope, vector(1), 10)
    assert {e.question for _, e in found} == {"q0", "q2", "q3"}


async def test_all_scopes_of_a_tenant_share_one_bound(store: AnswerStore, scope: Scope) -> None:
    for n in range(5):
        await store.remember(replace(scope, locale=f"l{n}"), entry("q"), vector(1))
    assert await store.size(scope.tenant_id) == 3
    assert len(await store.kept(scope.tenant_id, 10)) == 3


async def test_yesterdays_favourite_does_not_stay_for_ever(
    store: AnswerStore, scope: Scope
) -> None:
    await store.remember(scope, entry("favourite"), vector(1))
    for _ in range(5):
        await store.served(scope, "favourite-print")
    for n in range(30):
        await store.remember(scope, entry(f"q{n}"), vector(1, n))
    assert await store.exact(scope, "favourite-print") is None


async def test_remembering_again_replaces_the_answer_and_keeps_its_hits(
    store: AnswerStore, scope: Scope
) -> None:
    await store.remember(scope, entry("a"), vector(1))
    await store.served(scope, "a-print")
    before = (await store.kept(scope.tenant_id, 5))[0].hits
    changed = entry("a").model_copy(update={"text": "better"})
    await store.remember(scope, changed, vector(1))
    (kept,) = await store.kept(scope.tenant_id, 5)
    assert (kept.entry.text, kept.hits, kept.scope) == ("better", before, scope)


async def test_a_forgotten_entry_is_gone_everywhere(store: AnswerStore, scope: Scope) -> None:
    await store.remember(scope, entry("a"), vector(1))
    assert await store.forget(scope, "a-print")
    assert not await store.forget(scope, "a-print")
    assert await store.exact(scope, "a-print") is None
    assert list(await store.nearest(scope, vector(1), 5)) == []
    assert await store.size(scope.tenant_id) == 0


async def test_a_hit_on_a_forgotten_entry_does_not_bring_it_back(
    store: AnswerStore, scope: Scope
) -> None:
    await store.served(scope, "a-print")
    await store.amend(scope, entry("a"))
    assert await store.size(scope.tenant_id) == 0
    assert await store.exact(scope, "a-print") is None


async def test_an_amended_entry_keeps_its_place(store: AnswerStore, scope: Scope) -> None:
    await store.remember(scope, entry("a"), vector(1))
    found = await store.exact(scope, "a-print")
    assert found is not None
    await store.amend(scope, found.model_copy(update={"min_similarity": 0.97}))
    ((_, near),) = await store.nearest(scope, vector(1), 5)
    assert (near.min_similarity, near.fresh_until_unix_ms) == (0.97, found.fresh_until_unix_ms)


async def test_entries_can_be_listed_and_found_by_fingerprint(
    store: AnswerStore, scope: Scope
) -> None:
    german = replace(scope, locale="de")
    await store.remember(scope, entry("a"), vector(1))
    await store.remember(german, entry("a"), vector(1))
    await store.remember(scope, entry("b"), vector(0, 1))
    assert set(await store.entries(scope.tenant_id)) == {
        (scope, "a-print"),
        (german, "a-print"),
        (scope, "b-print"),
    }
    assert set(await store.entries(scope.tenant_id, "b-print")) == {(scope, "b-print")}


async def test_a_sweep_leaves_nothing_of_expired_entries(opened: Opener, scope: Scope) -> None:
    store = opened(ttl_s=0.05, stale_s=0, entries=100, sweep_step=10)
    for n in range(30):
        await store.remember(scope, entry(f"q{n}"), vector(1, n))
    assert await store.size(scope.tenant_id) == 30
    await asyncio.sleep(0.1)
    for _ in range(20):  # bounded steps: one does not do it all
        await store.sweep()
    assert await store.size(scope.tenant_id) == 0
    assert list(await store.nearest(scope, vector(1), 50)) == []


async def test_a_sweep_keeps_what_is_still_of_use(store: AnswerStore, scope: Scope) -> None:
    await store.remember(scope, entry("a"), vector(1))
    await store.sweep()
    assert await store.exact(scope, "a-print") is not None
    assert len(await store.nearest(scope, vector(1), 5)) == 1


async def test_the_most_asked_questions_come_first_however_long_the_tail(
    opened: Opener, scope: Scope
) -> None:
    store = opened(questions=8)
    for n in range(40):
        await store.asked(scope.tenant_id, "en", f"rare {n}")
        await store.asked(scope.tenant_id, "en", "often")
        if n % 2:
            await store.asked(scope.tenant_id, "de", "manchmal")
    assert await store.most_asked(scope.tenant_id, 2) == [("en", "often"), ("de", "manchmal")]
    assert len(await store.most_asked(scope.tenant_id, 100)) <= 8


async def test_redis_keeps_no_trace_of_expired_entries(redis_url: str, scope: Scope) -> None:
    kv = RedisKeyValue(redis_url)
    freshness = Freshness(SystemClock(), ttl_s=0.05, jitter=0, stale_s=0)
    store = RedisAnswerStore(kv, freshness, Bounds(10))
    await store.remember(scope, entry("a"), vector(1))
    await asyncio.sleep(0.1)
    while await store.size(scope.tenant_id):
        await store.sweep()
    async with asyncio.timeout(10):  # Redis takes expired fields of hashes away in its own time
        while await _keys(kv, scope):
            await asyncio.sleep(0.05)
    await kv.close()


async def _keys(kv: RedisKeyValue, scope: Scope) -> list[bytes]:
    pattern = f"*{scope.prefix.split(':')[1]}*"
    async with kv.calling() as redis:
        return [key async for key in redis.scan_iter(pattern)]
