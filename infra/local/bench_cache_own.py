"""Our own cache for the benchmark: the handler as it runs in the service, on a real Redis."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from redis.exceptions import BusyLoadingError
from rich.console import Console
from rich.progress import track

from infra.local.broker import free_port
from infra.local.redis_server import running_redis
from services.cache.adapters import Bounds, Freshness
from services.cache.catalogue import Catalogue
from services.cache.deps import Deps
from services.cache.flights import Flights
from services.cache.handlers import lookup
from services.cache.lessons import Lessons
from services.cache.likeness import Likeness
from services.cache.redis_store import RedisAnswerStore
from services.cache.settings import CacheSettings
from services.cache.traces import Traces
from services.cache.verifier import BoundedVerifier, open_verifier
from shared.answers import Remembered, Scope
from shared.boards import PolicyBoard
from shared.clock import SystemClock
from shared.embeddings import open_embedder
from shared.embeddings.bounded import BoundedEmbedder
from shared.embeddings.port import Vectors
from shared.events import Citation, Screened
from shared.fingerprint import fingerprint
from shared.kv.redis import RedisKeyValue
from shared.policy import Policy
from shared.settings import Settings, load

KEEP_S = 30 * 86_400.0  # a filled store is used again by later runs
AT_ONCE = 16
SCOPE = Scope("bench", "en", "v1", Policy.normal().answer_version)


@dataclass
class OwnCache:
    """The cache's look-up and its parts."""

    deps: Deps
    kv: RedisKeyValue
    turns: int = 0

    async def look_up(self, text: str) -> object:
        """One question through the handler, as a message from the bus would be."""
        self.turns += 1
        event = Screened(
            tenant_id=SCOPE.tenant_id,
            conversation_id=f"c{self.turns}",
            turn_id=f"t{self.turns}",
            knowledge_version=SCOPE.knowledge_version,
            policy_version=SCOPE.policy_version,
            deadline_unix_ms=self.deps.clock.unix_ms() + 10_000,
            cache_control="",
            text=text,
            fingerprint=fingerprint(text),
        )
        return await lookup(event, self.deps)

    async def accepts(self, pairs: Sequence[Likeness]) -> NDArray[np.bool_]:
        """As the handler decides."""
        settings = self.deps.settings
        found = [await self.deps.verifier.probabilities([pair]) for pair in pairs]
        chances = np.array([chance for (chance,) in found])
        near = np.array([pair.cosine >= settings.min_similarity for pair in pairs])
        return near & (chances >= settings.min_probability)

    async def memory(self) -> str:
        """What Redis needs, of it the vectors."""
        async with self.kv.calling() as redis:
            whole = int((await redis.info("memory"))["used_memory"])
            vectors = await redis.memory_usage(f"{SCOPE.prefix}:v", samples=100)
        return f"Redis {whole / 1e6:.0f} MB, of it vectors {(vectors or 0) / 1e6:.0f} MB"


@asynccontextmanager
async def opened(
    folder: Path, questions: Sequence[str], vectors: Vectors
) -> AsyncIterator[OwnCache]:
    """The cache on a Redis that holds these entries, filled if it is not yet."""
    folder.mkdir(parents=True, exist_ok=True)
    with running_redis(folder, free_port()) as url:
        kv = RedisKeyValue(url, timeout_s=30.0)  # it may still be loading
        clock, settings = SystemClock(), load(CacheSettings)
        freshness = Freshness(clock, ttl_s=KEEP_S, jitter=0, stale_s=0)
        store = RedisAnswerStore(kv, freshness, Bounds(len(questions)))
        await _fill(folder / "filled.json", kv, store, questions, vectors)
        embedder = BoundedEmbedder(
            open_embedder(load(Settings).embedder_url), timeout_s=10, queue=128
        )
        classifier = open_verifier(settings.model_dir, threads=settings.verify_threads)
        verifier = BoundedVerifier(classifier, timeout_s=10, queue=128)
        deps = Deps(
            settings=settings.model_copy(update={"audit_share": 0.0}),
            store=store,
            embedder=embedder,
            verifier=verifier,
            flights=Flights(kv, longest_wait_s=1, alone_s=60, max_followers=0),
            traces=Traces(kv),
            lessons=Lessons(kv),
            catalogue=Catalogue(),
            policy=PolicyBoard(),
            clock=clock,
        )
        yield OwnCache(deps, kv)
        embedder.close()
        verifier.close()
        await kv.close()


async def _fill(
    stamp: Path,
    kv: RedisKeyValue,
    store: RedisAnswerStore,
    questions: Sequence[str],
    vectors: Vectors,
) -> None:
    wanted = {"entries": len(questions), "sum": round(float(vectors.sum()), 2)}
    size, distinct = await _when_loaded(store), len(set(map(fingerprint, questions)))
    if stamp.exists() and json.loads(stamp.read_text()) == wanted and size == distinct:
        return
    async with kv.calling() as redis:
        await redis.flushall()
    starts = range(0, len(questions), AT_ONCE)
    for start in track(starts, f"filling {len(questions)}", console=Console(stderr=True)):
        numbers = range(start, min(start + AT_ONCE, len(questions)))
        await asyncio.gather(
            *(store.remember(SCOPE, _entry(questions[n]), vectors[n].tobytes()) for n in numbers)
        )
    async with kv.calling() as redis:
        await redis.bgrewriteaof()  # as a snapshot: loads in seconds, with the graph's links
    await asyncio.sleep(1)
    while await _rewriting(kv):  # noqa: ASYNC110 another process is waited for
        await asyncio.sleep(0.5)
    stamp.write_text(json.dumps(wanted))


async def _when_loaded(store: RedisAnswerStore) -> int:
    while True:
        try:
            return await store.size(SCOPE.tenant_id)
        except BusyLoadingError:
            await asyncio.sleep(0.5)


async def _rewriting(kv: RedisKeyValue) -> bool:
    async with kv.calling() as redis:
        return bool((await redis.info("persistence"))["aof_rewrite_in_progress"])


def _entry(question: str) -> Remembered:
    citation = Citation(
        document_id="article",
        document_version="3f1c9a0be2d45c11",
        title="An article of the help centre",
        source="https://shop.example/help/article",
        snippet="You can return unused items within 30 days of delivery. " * 4,
        score=0.82,
    )
    return Remembered(
        question=question,
        fingerprint=fingerprint(question),
        text="You can return unused items within 30 days of delivery. " * 5,
        route="knowledge_base",
        intent="return_window",
        tier="extractive",
        confidence=0.9,
        citations=(citation,),
    )
