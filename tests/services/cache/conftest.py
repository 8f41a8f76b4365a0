"""The cache's handlers on embedded stores, with a clock that tests move."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from services.cache.adapters import AnswerStore, Bounds, Freshness
from services.cache.catalogue import Catalogue
from services.cache.deps import Deps
from services.cache.flights import Flights
from services.cache.lessons import Lessons
from services.cache.likeness import Likeness
from services.cache.memory_store import MemoryAnswerStore
from services.cache.redis_store import RedisAnswerStore
from services.cache.settings import CacheSettings
from services.cache.traces import Traces
from shared.boards import PolicyBoard
from shared.clock import Clock, ManualClock
from shared.events import Answered, Citation, Missed, Screened
from shared.fingerprint import fingerprint
from shared.kv.memory import MemoryKeyValue
from shared.kv.port import KeyValue
from shared.kv.redis import RedisKeyValue
from shared.policy import Policy

NORMAL = Policy.normal().answer_version


@dataclass
class WordEmbedder:
    """Questions that share words are near: one axis a word, in the order they were first seen."""

    words: dict[str, int] = field(default_factory=dict)
    calls: int = 0

    async def embed(self, text: str) -> bytes:
        self.calls += 1
        vector = np.zeros(384, np.float32)
        for word in text.lower().replace("?", "").split():
            vector[self.words.setdefault(word, len(self.words))] += 1
        return (vector / np.linalg.norm(vector)).tobytes()


@dataclass
class ListedVerifier:
    """Says what the test told it about a remembered question; 0.95 else."""

    about: dict[str, float] = field(default_factory=dict)

    async def probabilities(self, pairs: Sequence[Likeness]) -> list[float]:
        return [self.about.get(pair.remembered, 0.95) for pair in pairs]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def deps(clock: ManualClock) -> Deps:
    return deps_on(MemoryKeyValue(), clock)


def deps_on(kv: KeyValue, clock: Clock, **settings: object) -> Deps:
    """Everything the handlers need, on one store."""
    chosen = CacheSettings(
        **{"min_similarity": 0.5, "min_probability": 0.9, "audit_share": 0.0, **settings}
    )
    freshness = Freshness(clock, ttl_s=3600, jitter=0.0, stale_s=3600)
    store: AnswerStore = MemoryAnswerStore(clock, freshness, Bounds(100))
    if isinstance(kv, RedisKeyValue):
        store = RedisAnswerStore(kv, freshness, Bounds(100))
    return Deps(
        settings=chosen,
        store=store,
        embedder=WordEmbedder(),
        verifier=ListedVerifier(),
        flights=Flights(kv, longest_wait_s=chosen.flight_wait_s, alone_s=60, max_followers=2),
        traces=Traces(kv),
        lessons=Lessons(kv),
        catalogue=Catalogue(),
        policy=PolicyBoard(),
        clock=clock,
    )


def asked(text: str, clock: Clock, turn: str = "t1", **more: object) -> Screened:
    """A screened question."""
    envelope: dict[str, object] = {
        "tenant_id": "shop",
        "conversation_id": f"c-{turn}",
        "turn_id": turn,
        "deadline_unix_ms": clock.unix_ms() + 10_000,
        "knowledge_version": "k1",
        "policy_version": NORMAL,
        "text": text,
        "fingerprint": fingerprint(text),
    }
    return Screened(**{**envelope, **more})


async def answered(asked_: Screened, deps: Deps, **more: object) -> Answered:
    """The checked answer that the other services would make of a question."""
    citation = Citation(
        document_id="doc", document_version="1", title="t", source="", snippet="", score=1
    )
    fields: dict[str, object] = {
        "text": f"answer to {asked_.text}",
        "question": asked_.text,
        "embedding": await deps.embedder.embed(asked_.text),
        "route": "knowledge_base",
        "origin": "knowledge",
        "tier": "extractive",
        "cacheable": True,
        "citations": (citation,),
        "cost_usd": 0.002,
        "timings_ms": {"generate": 700.0},
    }
    return asked_.then(Missed).then(Answered, **{**fields, **more})
