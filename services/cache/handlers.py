"""Look up, remember, forget."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from services.cache import core
from services.cache.adapters import AnswerStore, Candidate, Remembered, Scope
from services.cache.settings import CacheSettings
from shared import metrics
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.errors import Overloaded, Transient, Unavailable
from shared.events import Answered, KnowledgeChanged, Missed, Screened


class QuestionVerifier(Protocol):
    """Says how likely one answer serves two questions, in a bounded executor."""

    async def probabilities(self, question: str, candidates: Sequence[str]) -> list[float]: ...


class QuestionEmbedder(Protocol):
    """Turns one question into a vector, in a bounded executor."""

    async def embed(self, text: str) -> bytes: ...


@dataclass(frozen=True)
class Deps:
    """What the cache needs."""

    settings: CacheSettings
    store: AnswerStore
    embedder: QuestionEmbedder
    verifier: QuestionVerifier
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
            near = await deps.store.nearest(Scope.of(event), embedding, deps.settings.candidates)
            if (confirmed := await _confirmed(event, near, deps)) is not None:
                return _hit(event, confirmed[1], confirmed[0], deps)
    except Unavailable:
        usable, embedding = False, await _embed(event.text, deps)
    metrics.CACHE.labels(event.tenant_id, "miss" if usable else "skipped").inc()
    return event.then(Missed, embedding=embedding)


async def _confirmed(event: Screened, near: Sequence[Candidate], deps: Deps) -> Candidate | None:
    """The candidate whose answer most probably serves the question, if one does."""
    least = deps.settings.min_similarity
    current = [(cosine, c) for cosine, c in near if cosine >= least and _is_current(c, deps)]
    if not current:
        return None
    try:
        chances = await deps.verifier.probabilities(event.text, [c.question for _, c in current])
    except (Overloaded, Transient):
        return None  # unconfirmed is not good enough
    best = max(range(len(current)), key=chances.__getitem__)
    if chances[best] >= deps.settings.min_probability:
        return current[best]
    metrics.CACHE.labels(event.tenant_id, "rejected").inc()
    return None


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
    with suppress(Unavailable):  # not worth a wait: the next one to ask is answered anew
        await deps.store.remember(Scope.of(event), Remembered.of(event), event.embedding)


async def forget_document(event: KnowledgeChanged, deps: Deps) -> None:
    """A changed document takes the answers along that cite it."""
    await deps.store.forget_document(event.tenant_id, event.document_id, event.version)


HANDLERS = (lookup, remember, forget_document)
BROADCAST = ()
REPLAYED = ()
