"""Keep what was said; forget it when told to."""

from dataclasses import dataclass
from typing import Protocol

from services.history import core
from shared.clock import Clock
from shared.events import (
    AgentReplied,
    Answered,
    Conversational,
    ConversationErased,
    Escalated,
    FeedbackGiven,
    Grounded,
    KnowledgeChanged,
    Relayed,
    Screened,
)

FULL = "full"  # the mode in which no passage means that there is none


class Transcripts(Protocol):
    """Where transcripts are kept; every call may be repeated."""

    async def add(
        self, event: Conversational, entries: tuple[core.Entry, ...], now_ms: int
    ) -> bool: ...

    async def add_feedback(self, event: FeedbackGiven) -> bool: ...

    async def erase(self, event: Conversational, erased_unix_ms: int) -> None: ...


class Coverage(Protocol):
    """Where it is kept what documents cover; every call may be repeated."""

    async def add_question(self, event: Grounded, now_ms: int) -> None: ...

    async def add_repeat(self, event: Answered, now_ms: int) -> None: ...

    async def add_uses(self, event: Answered, now_ms: int) -> None: ...

    async def set_document(self, event: KnowledgeChanged) -> None: ...


@dataclass(frozen=True)
class Deps:
    """What history needs."""

    transcripts: Transcripts
    coverage: Coverage
    clock: Clock


async def _keep(event: Conversational, deps: Deps) -> None:
    now_ms = deps.clock.unix_ms()
    if entries := core.entries_of(event, now_ms):
        await deps.transcripts.add(event, entries, now_ms)


async def keep_question(event: Screened, deps: Deps) -> None:
    """A customer's message, as screened."""
    await _keep(event, deps)


async def keep_relayed(event: Relayed, deps: Deps) -> None:
    """A customer's message to an agent, as screened."""
    await _keep(event, deps)


async def keep_answer(event: Answered, deps: Deps) -> None:
    """The whole answer with its provenance, once its last part is out."""
    await _keep(event, deps)
    if event.last and event.citations:
        await deps.coverage.add_uses(event, deps.clock.unix_ms())
        if event.origin == "cache":
            await deps.coverage.add_repeat(event, deps.clock.unix_ms())


async def keep_hand_over(event: Escalated, deps: Deps) -> None:
    """That a person was asked for, and why. The draft was never said, so it is not kept."""
    await _keep(event, deps)


async def keep_reply(event: AgentReplied, deps: Deps) -> None:
    """An agent's message."""
    await _keep(event, deps)


async def keep_feedback(event: FeedbackGiven, deps: Deps) -> None:
    """A thumb for one turn."""
    await deps.transcripts.add_feedback(event)


async def count_question(event: Grounded, deps: Deps) -> None:
    """Whether a passage answers a customer's question; its words are kept if none does."""
    was_searched = bool(event.passages) or event.mode == FULL
    if event.route == "knowledge_base" and was_searched and not event.shadow_of:
        await deps.coverage.add_question(event, deps.clock.unix_ms())


async def keep_document(event: KnowledgeChanged, deps: Deps) -> None:
    """What may be cited."""
    await deps.coverage.set_document(event)


async def erase(event: ConversationErased, deps: Deps) -> None:
    """Nothing of this conversation stays, and nothing late comes back."""
    await deps.transcripts.erase(event, event.erased_unix_ms)


HANDLERS = (
    keep_question,
    keep_relayed,
    keep_answer,
    keep_hand_over,
    keep_reply,
    keep_feedback,
    count_question,
    keep_document,
    erase,
)
BROADCAST = ()
REPLAYED = ()
