"""Keeping an answer: with what was learnt near its question, and a trace of which turn made it."""

from services.cache.deps import Deps
from services.cache.lessons import learnt
from services.cache.traces import Trace
from shared.answers import Remembered, Scope
from shared.events import Answered


async def keep(event: Answered, embedding: bytes, deps: Deps) -> None:
    """Remember an answer, unless a document it cites changed while it was made.

    Raises Unavailable.
    """
    scope, lessons = Scope.of(event), await deps.lessons.all(event.tenant_id, event.locale)
    entry = learnt(Remembered.of(event), embedding, lessons)
    if deps.catalogue.vouches_for(event.tenant_id, entry):
        await deps.store.remember(scope, entry, embedding)
        await deps.traces.keep(event, event.turn_id, trace_of(scope, entry, entry.fingerprint))


def trace_of(
    scope: Scope,
    entry: Remembered,
    asked: str,
    similarity: float = 1.0,
    probability: float = 1.0,
) -> Trace:
    """What a turn that asked `asked` (a fingerprint) has to do with an entry."""
    return Trace(
        locale=scope.locale,
        knowledge_version=scope.knowledge_version,
        policy_version=scope.policy_version,
        asked=asked,
        fingerprint=entry.fingerprint,
        question=entry.question,
        similarity=similarity,
        probability=probability,
    )
