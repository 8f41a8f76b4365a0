"""Look up, remember, forget."""

from dataclasses import dataclass
from typing import Protocol

from services.cache import core
from services.cache.adapters import AnswerStore, Remembered, Scope
from services.cache.settings import CacheSettings
from shared import metrics
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.errors import Overloaded, Transient, Unavailable
from shared.events import Answered, KnowledgeChanged, Missed, Screened


class QuestionEmbedder(Protocol):
    """Turns one question into a vector, in a bounded executor."""

    async def embed(self, text: str) -> bytes: ...


@dataclass(frozen=True)
class Deps:
    """What the cache needs."""

    settings: CacheSettings
    store: AnswerStore
    embedder: QuestionEmbedder
    policy: PolicyBoard
    clock: Clock


async def lookup(event: Screened, deps: Deps) -> Answered | Missed:
    """Answer from memory, or pass the question on with its embedding."""
    usable = deps.policy.current.use_cache and core.may_look_up(event)
    try:
        found = await deps.store.exact(Scope.of(event), event.fingerprint) if usable else None
        if found is not None and _is_current(found, deps):
            return _hit(event, found, 1.0, deps)
        embedding = await _embed(event.text, deps)
        if usable and embedding is not None:
            for similarity, candidate in await deps.store.nearest(
                Scope.of(event), embedding, deps.settings.candidates
            ):
                if _serves(event, candidate, similarity, deps):
                    return _hit(event, candidate, similarity, deps)
    except Unavailable:
        usable, embedding = False, await _embed(event.text, deps)
    metrics.CACHE.labels(event.tenant_id, "miss" if usable else "skipped").inc()
    return event.then(Missed, embedding=embedding)


def _serves(event: Screened, candidate: Remembered, similarity: float, deps: Deps) -> bool:
    if similarity < deps.settings.min_similarity or not _is_current(candidate, deps):
        return False
    if core.same_answer(event.text, candidate.question):
        return True
    metrics.CACHE.labels(event.tenant_id, "rejected").inc()
    return False


def _is_current(entry: Remembered, deps: Deps) -> bool:
    return deps.policy.current.serve_stale or entry.is_fresh(deps.clock.unix_ms())


def _hit(event: Screened, found: Remembered, similarity: float, deps: Deps) -> Answered:
    metrics.CACHE.labels(event.tenant_id, "exact" if similarity == 1.0 else "semantic").inc()
    return event.then(
        Answered,
        text=found.text,
        question=event.text,
        route=found.route,
        intent=found.intent,
        origin="cache",
        tier=found.tier,
        confidence=found.confidence,
        citations=found.citations,
        similarity=round(similarity, 4),
        stale=not found.is_fresh(deps.clock.unix_ms()),
    )


async def _embed(text: str, deps: Deps) -> bytes | None:
    try:
        return await deps.embedder.embed(text)
    except (Overloaded, Transient):
        return None  # retrieval works with words alone


async def remember(event: Answered, deps: Deps) -> None:
    """Keep a finished, checked answer that would serve others."""
    if not (event.last and event.cacheable and event.origin == "knowledge"):
        return
    if event.cache_control == "no-store" or event.embedding is None or not event.fingerprint:
        return
    await deps.store.remember(Scope.of(event), Remembered.of(event), event.embedding)


async def forget_document(event: KnowledgeChanged, deps: Deps) -> None:
    """A changed document takes the answers along that cite it."""
    await deps.store.forget_document(event.tenant_id, event.document_id, event.version)


HANDLERS = (lookup, remember, forget_document)
BROADCAST = ()
REPLAYED = ()
