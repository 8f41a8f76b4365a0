"""Look up, wait for the first of identical questions, remember. What forgets: `evictions.py`."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from services.cache import audits, core, evictions, warming
from services.cache.deps import Deps
from services.cache.likeness import Likeness
from services.cache.remembering import keep, trace_of
from shared import metrics
from shared.answers import Remembered, Scope
from shared.errors import Overloaded, Transient, Unavailable
from shared.events import Answered, Escalated, Missed, Screened
from shared.fingerprint import fingerprint

_POLL_S = (0.02, 0.15)  # between two looks of a waiting question: at first, at most


@dataclass(frozen=True)
class Hit:
    """A remembered answer that serves a question."""

    kind: Literal["exact", "semantic", "shared"]
    scope: Scope
    entry: Remembered
    similarity: float = 1.0
    probability: float = 1.0


async def lookup(event: Screened, deps: Deps) -> list[Answered | Missed]:
    """Answer from memory, or pass the question on with its embedding."""
    if not (deps.policy.current.use_cache and core.may_look_up(event)):
        return [_miss(event, "skipped", await _embed(event.text, deps))]
    embedding = None
    try:
        hit = await _exact(event, deps)
        if hit is None:
            embedding, _ = await asyncio.gather(_embed(event.text, deps), _count(event, deps))
            hit = await _neighbour(event, embedding, deps) or await _first_answer(event, deps)
    except Unavailable:
        return [_miss(event, "skipped", embedding or await _embed(event.text, deps))]
    if hit is None:
        return [_miss(event, "miss", embedding)]
    await _note(event, hit, deps)
    return [_answer(event, hit, deps), *audits.shadow_of(event, hit.kind, deps)]


async def _exact(event: Screened, deps: Deps) -> Hit | None:
    for scope in Scope.of(event).readable(deps.policy.current):
        found = await deps.store.exact(scope, event.fingerprint)
        if found is not None and _is_current(event.tenant_id, found, deps):
            return Hit("exact", scope, found)
    return None


async def _neighbour(event: Screened, embedding: bytes | None, deps: Deps) -> Hit | None:
    if embedding is None:
        return None
    for scope in Scope.of(event).readable(deps.policy.current):
        found = await deps.store.nearest(scope, embedding, deps.settings.candidates)
        near = [
            (similarity, entry)
            for similarity, entry in found
            if similarity >= max(deps.settings.min_similarity, entry.min_similarity)
            # Asked in other words, the documents may answer better than they did here.
            and entry.confidence >= deps.settings.min_confidence
            and _is_current(event.tenant_id, entry, deps)
        ]
        if near and (hit := await _verified(event, scope, near, deps)):
            return hit
    return None


async def _verified(
    event: Screened, scope: Scope, near: list[tuple[float, Remembered]], deps: Deps
) -> Hit | None:
    """The neighbour whose answer most probably serves the question, if any is sure enough."""
    try:
        probabilities = await deps.verifier.probabilities(
            [Likeness(event.text, entry.question, similarity) for similarity, entry in near]
        )
    except (Overloaded, Transient):
        return None  # unconfirmed is not good enough
    hits = [
        Hit("semantic", scope, entry, similarity, probability)
        for (similarity, entry), probability in zip(near, probabilities, strict=True)
        if probability >= max(deps.settings.min_probability, entry.min_probability)
    ]
    if not hits:
        metrics.CACHE.labels(event.tenant_id, "rejected").inc()
    return max(hits, key=lambda hit: (hit.probability, hit.similarity), default=None)


async def _first_answer(event: Screened, deps: Deps) -> Hit | None:
    """Wait for an identical question that is being answered already, for a bounded time."""
    if await deps.flights.board(event, event.fingerprint) != "follower":
        return None
    left_s = (event.deadline_unix_ms - deps.clock.unix_ms()) / 1000
    until_s = deps.clock.monotonic_s() + min(deps.settings.flight_wait_s, left_s / 2)
    with deps.flights.seat() as seated:
        hit, result = await _wait(event, until_s, deps) if seated else (None, "full")
    metrics.CACHE_FOLLOWERS.labels(result).inc()
    return hit


async def _wait(event: Screened, until_s: float, deps: Deps) -> tuple[Hit | None, str]:
    pause_s, longest_s = _POLL_S
    while deps.clock.monotonic_s() < until_s:
        await asyncio.sleep(pause_s)
        pause_s = min(longest_s, pause_s * 1.5)
        seat = await deps.flights.board(event, event.fingerprint)
        hit = await _exact(event, deps)  # after the seat: an answer is there before it is landed
        if hit is not None:
            await deps.flights.land(event, event.fingerprint, shared=True)
            return Hit("shared", hit.scope, hit.entry), "shared"
        if seat != "follower":
            return None, "alone"
    return None, "late"


def _is_current(tenant_id: str, entry: Remembered, deps: Deps) -> bool:
    fresh = deps.policy.current.serve_stale or entry.is_fresh(deps.clock.unix_ms())
    return fresh and deps.catalogue.vouches_for(tenant_id, entry)


async def _note(event: Screened, hit: Hit, deps: Deps) -> None:
    """Count the hit, and keep what it was answered from; not worth failing a turn for."""
    entry = hit.entry
    metrics.CACHE.labels(event.tenant_id, hit.kind).inc()
    metrics.CACHE_SAVED_USD.labels(event.tenant_id).inc(entry.cost_usd)
    metrics.CACHE_SAVED_SECONDS.labels(event.tenant_id).inc(entry.made_ms / 1000)
    trace = trace_of(hit.scope, entry, event.fingerprint, hit.similarity, hit.probability)
    with suppress(Unavailable):
        await asyncio.gather(
            deps.store.served(hit.scope, entry.fingerprint),
            deps.traces.keep(event, event.turn_id, trace),
            _count(event, deps) if hit.kind == "exact" else asyncio.sleep(0),
        )


async def _count(event: Screened, deps: Deps) -> None:
    await deps.store.asked(event.tenant_id, event.locale, event.text)


def _answer(event: Screened, hit: Hit, deps: Deps) -> Answered:
    found = hit.entry
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
        similarity=round(hit.similarity, 4),
        stale=not found.is_fresh(deps.clock.unix_ms()),
    )


def _miss(event: Screened, result: str, embedding: bytes | None) -> Missed:
    metrics.CACHE.labels(event.tenant_id, result).inc()
    return event.then(Missed, embedding=embedding)


async def _embed(text: str, deps: Deps) -> bytes | None:
    try:
        return await deps.embedder.embed(text)
    except (Overloaded, Transient):
        return None  # retrieval works with words alone


async def remember(event: Answered, deps: Deps) -> None:
    """Keep a finished, checked answer that would serve others; let those go on who waited."""
    if not event.last or event.origin == "cache" or not event.fingerprint:
        return
    # Made while the policy changed, nobody knows by which rules: not worth keeping.
    same_rules = event.policy_version == deps.policy.current.answer_version
    shared = same_rules and core.may_remember(event) and event.embedding is not None
    with suppress(Unavailable):  # not worth a wait: the next one to ask is answered anew
        if shared:
            await keep(event, event.embedding or b"", deps)
        await deps.flights.land(event, event.fingerprint, shared=shared)


async def land_hand_over(event: Escalated, deps: Deps) -> None:
    """A question that goes to a person has no answer to share: who waited for it goes on."""
    with suppress(Unavailable):
        await deps.flights.land(event, fingerprint(event.question), shared=False)


HANDLERS = (
    lookup,
    remember,
    land_hand_over,
    *audits.HANDLERS,
    *warming.HANDLERS,
    *evictions.HANDLERS,
)
BROADCAST = ()
REPLAYED = evictions.REPLAYED
