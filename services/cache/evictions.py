"""What makes the cache forget: a changed document, a thumb down, an agent's word, an erasure."""

import base64
import logging

from services.cache.deps import Deps
from services.cache.lessons import NEAR, Lesson, stricter, tightened
from services.cache.traces import Trace
from shared import metrics
from shared.answers import Scope
from shared.events import AnswerDisputed, ConversationErased, FeedbackGiven, KnowledgeChanged
from shared.fingerprint import fingerprint

log = logging.getLogger(__name__)

_NEIGHBOURS = 20  # entries near a disputed one whose bounds are looked at


async def follow_knowledge(event: KnowledgeChanged, deps: Deps) -> None:
    """Know which version of a document is in force, in every process."""
    deps.catalogue.post(event)


async def forget_document(event: KnowledgeChanged, deps: Deps) -> None:
    """A changed document takes the answers along that cite it."""
    if event.state == "rejected":
        return  # what was searchable before still is
    version = "" if event.state == "removed" else event.version
    dropped = await deps.store.forget_document(event.tenant_id, event.document_id, version)
    metrics.CACHE_EVICTED.labels(event.tenant_id, "document").inc(dropped)


async def heed_feedback(event: FeedbackGiven, deps: Deps) -> None:
    """A thumb down takes the entry along that the turn was answered from, or made."""
    if event.rating == "down" and (trace := await deps.traces.of(event, event.turn_id)):
        await _forget(trace.scope(event.tenant_id), trace, "feedback", deps)


async def take_dispute(event: AnswerDisputed, deps: Deps) -> None:
    """Forget an answer that did not fit, and ask more of what is near it from now on."""
    trace = await deps.traces.of(event, event.turn_id)
    if trace is None and event.question:
        trace = await deps.traces.of_question(event, fingerprint(event.question))
    if trace is None:
        log.info("disputed, but not answered from the cache: turn %s", event.turn_id)
        return
    scope = trace.scope(event.tenant_id)
    await _forget(scope, trace, "disputed", deps)
    if trace.similarity < 1:  # else the words were the same: the answer is wrong, not the match
        await _learn(event, trace, scope, deps)


async def _learn(event: AnswerDisputed, trace: Trace, scope: Scope, deps: Deps) -> None:
    embedding = await deps.embedder.embed(trace.question)
    lesson = Lesson(
        embedding=base64.b64encode(embedding).decode(),
        min_similarity=stricter(0.0, trace.similarity),
        min_probability=stricter(0.0, trace.probability),
        learnt_unix_ms=event.disputed_unix_ms,
    )
    await deps.lessons.add(event.tenant_id, trace.locale, trace.fingerprint, lesson)
    for similarity, entry in await deps.store.nearest(scope, embedding, _NEIGHBOURS):
        if similarity >= NEAR:
            stricter_entry = tightened(entry, trace.similarity, trace.probability)
            await deps.store.amend(scope, stricter_entry)


async def _forget(scope: Scope, trace: Trace, reason: str, deps: Deps) -> None:
    if await deps.store.forget(scope, trace.fingerprint):
        metrics.CACHE_EVICTED.labels(scope.tenant_id, reason).inc()


async def erase(event: ConversationErased, deps: Deps) -> None:
    """Nothing says any more what this conversation was answered from."""
    await deps.traces.erase(event)


HANDLERS = (forget_document, heed_feedback, take_dispute, erase)
REPLAYED = (follow_knowledge,)
