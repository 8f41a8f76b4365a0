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
    Relayed,
    Screened,
)


class Transcripts(Protocol):
    """Where transcripts are kept; every call may be repeated."""

    async def add(
        self, event: Conversational, entries: tuple[core.Entry, ...], now_ms: int
    ) -> bool: ...

    async def add_feedback(self, event: FeedbackGiven) -> bool: ...

    async def erase(self, event: Conversational, erased_unix_ms: int) -> None: ...


@dataclass(frozen=True)
class Deps:
    """What history needs."""

    transcripts: Transcripts
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


async def keep_hand_over(event: Escalated, deps: Deps) -> None:
    """That a person was asked for, and why. The draft was never said, so it is not kept."""
    await _keep(event, deps)


async def keep_reply(event: AgentReplied, deps: Deps) -> None:
    """An agent's message."""
    await _keep(event, deps)


async def keep_feedback(event: FeedbackGiven, deps: Deps) -> None:
    """A thumb for one turn."""
    await deps.transcripts.add_feedback(event)


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
    erase,
)
BROADCAST = ()
REPLAYED = ()
