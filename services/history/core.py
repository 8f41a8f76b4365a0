"""What a transcript is made of. Pure: events in, entries out."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from shared.events import (
    AgentReplied,
    Answered,
    Conversational,
    Escalated,
    Relayed,
    Screened,
    TurnEvent,
)

Role = Literal["customer", "bot", "agent", "system"]

# Within one millisecond a question stands before its answer, and an answer before a hand-over.
_SEQUENCE: dict[Role, int] = {"customer": 0, "bot": 1, "system": 2, "agent": 3}


@dataclass(frozen=True)
class Entry:
    """One message of a transcript. `message_id` is derived, so a repeat changes nothing."""

    message_id: str
    role: Role
    text: str
    created_unix_ms: int
    turn_id: str = ""
    author: str = ""
    origin: str = ""
    tier: str = ""
    mode: str = ""
    route: str = ""
    intent: str = ""
    rule: str = ""
    confidence: float | None = None
    citations: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sequence(self) -> int:
        """Its place among entries of the same millisecond."""
        return _SEQUENCE[self.role]


def asked(event: TurnEvent, text: str, now_ms: int) -> Entry:
    """The customer's side of a turn; the same entry whichever event tells of it first."""
    return Entry(
        message_id=f"{event.turn_id}:customer",
        role="customer",
        text=text,
        created_unix_ms=event.accepted_unix_ms or now_ms,
        turn_id=event.turn_id,
        mode=event.mode,
    )


def entries_of(event: Conversational, now_ms: int) -> tuple[Entry, ...]:
    """What `event` adds to its transcript; empty for parts of a stream."""
    match event:
        case Screened() | Relayed():
            return (asked(event, event.text, now_ms),)
        case Answered():
            return _answered(event, now_ms) if event.last else ()
        case Escalated():
            return _escalated(event, now_ms)
        case AgentReplied():
            return (_agent_replied(event),)
        case _:
            return ()


def _after_question(event: TurnEvent, now_ms: int) -> int:
    # Clocks of two machines differ; an answer is never older than its question.
    return max(now_ms, event.accepted_unix_ms + 1)


def _question(event: Answered | Escalated, now_ms: int) -> tuple[Entry, ...]:
    # A refusal leaves safety without a Screened event; this is then the only trace of it.
    return (asked(event, event.question, now_ms),) if event.question else ()


def _answered(event: Answered, now_ms: int) -> tuple[Entry, ...]:
    answer = Entry(
        message_id=f"{event.turn_id}:bot",
        role="bot",
        text=event.text,
        # What the gateway told while the broker was away was told at once, before what came next.
        created_unix_ms=_after_question(event, 0 if event.told else now_ms),
        turn_id=event.turn_id,
        origin=event.origin,
        tier=event.tier,
        mode=event.mode,
        route=event.route,
        intent=event.intent,
        confidence=event.confidence,
        citations=[citation.model_dump(mode="json") for citation in event.citations],
    )
    return (*_question(event, now_ms), answer)


def _escalated(event: Escalated, now_ms: int) -> tuple[Entry, ...]:
    hand_over = Entry(
        message_id=f"{event.turn_id}:system",
        role="system",
        text=event.reason,
        created_unix_ms=_after_question(event, now_ms),
        turn_id=event.turn_id,
        origin="human",
        mode=event.mode,
        route="escalate_human",
        intent=event.intent,
        rule=event.rule,
        confidence=event.confidence,
    )
    return (*_question(event, now_ms), hand_over)


def _agent_replied(event: AgentReplied) -> Entry:
    return Entry(
        message_id=event.message_id,
        role="agent",
        text=event.text,
        created_unix_ms=event.sent_unix_ms,
        author=event.agent_name,
        origin="human",
    )


def iso(unix_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, e.g. `2026-11-24T00:33:41.123Z`."""
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def cursor_of(updated_unix_ms: int, conversation_id: str) -> str:
    """Where a list goes on: after this conversation, newest first."""
    return f"{updated_unix_ms}_{conversation_id}"


def parse_cursor(cursor: str) -> tuple[int, str] | None:
    """The position in a cursor; None when it is not one."""
    time, separator, conversation_id = cursor.partition("_")
    if not (separator and conversation_id and time.isascii() and time.isdigit()):
        return None
    return (int(time), conversation_id) if len(time) <= 15 else None


def next_cursor(heads: list[dict[str, Any]], limit: int) -> str | None:
    """The cursor after these heads; None when the list ends here."""
    if len(heads) < limit:
        return None
    return cursor_of(heads[-1]["updated_unix_ms"], heads[-1]["conversation_id"])


def head(item: dict[str, Any]) -> dict[str, Any]:
    """A conversation as a list shows it."""
    return {name: value for name, value in item.items() if name != "updated_unix_ms"}
