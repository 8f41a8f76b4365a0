"""What a case is and how events become one. Pure; what agents may do with it is in `desk.py`."""

import uuid
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any, Literal

from shared.events import BOT, Escalated, Relayed, TurnEvent

State = Literal["waiting", "active", "closed"]
Role = Literal["customer", "bot", "agent", "system"]


class Priority(IntEnum):
    """The queue's order; within one priority the oldest case comes first."""

    URGENT = 0
    HIGH = 1
    NORMAL = 2


_URGENT_WORDS = ("self_harm", "suicide", "injury", "safety_incident", "emergency", "medical")
_HIGH_WORDS = ("legal", "fraud", "security", "threat", "complaint", "anger", "privacy", "after_")
_SUMMARY_CHARS = 280


@dataclass(frozen=True)
class Case:
    """One hand-over. A conversation has at most one that is not closed: its owner record."""

    case_id: str
    tenant_id: str
    conversation_id: str
    turn_id: str
    locale: str
    user_id: str
    reply_to: str
    mode: str
    opened_unix_ms: int
    updated_unix_ms: int
    reason: str = ""
    rule: str = ""
    intent: str = ""
    confidence: float = 0.0
    summary: str = ""
    question: str = ""
    draft: str = ""
    priority: int = Priority.NORMAL
    state: State = "waiting"
    agent: str = ""  # who has it, or had it last
    agent_name: str = ""
    outcome: Literal["", "resolved", "handed_back"] = ""
    taken_unix_ms: int | None = None
    closed_unix_ms: int | None = None
    owner_changed_unix_ms: int = 0

    @property
    def owner(self) -> str:
        """Who may speak in the conversation."""
        return self.agent if self.state == "active" else BOT


@dataclass(frozen=True)
class Said:
    """One message of a case's transcript. The id is derived: a repeat changes nothing."""

    message_id: str
    role: Role
    text: str
    created_unix_ms: int  # 0: before the hand-over, time unknown
    author: str = ""


def priority_of(rule: str, intent: str = "") -> Priority:
    """People in danger first, then what gets worse by waiting."""
    words = f"{rule} {intent}".lower()
    if any(word in words for word in _URGENT_WORDS):
        return Priority.URGENT
    return Priority.HIGH if any(word in words for word in _HIGH_WORDS) else Priority.NORMAL


def case_id_of(tenant_id: str, conversation_id: str, turn_id: str) -> str:
    """The same turn always opens the same case."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"case|{tenant_id}|{conversation_id}|{turn_id}"))


def summarise(event: Escalated) -> str:
    """The hand-over's own summary, or what was asked, shortened."""
    if event.summary:
        return event.summary
    questions = [exchange.question for exchange in event.context] + [event.question]
    asked = [question for question in questions if question]
    if not asked:
        return ""
    earlier = len(asked) - 1
    before = f"After {earlier} earlier question{'s' * (earlier > 1)}: " if earlier else ""
    return first_words(before + asked[-1], _SUMMARY_CHARS)


def first_words(text: str, limit: int = 120) -> str:
    """The beginning of a text on one line, cut between words."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return line[: limit - 1].rsplit(" ", 1)[0][: limit - 1] + "…"


def open_case(event: Escalated, now_ms: int) -> Case:
    """The case that a hand-over would open."""
    return replace(
        _bare_case(event, now_ms),
        reason=event.reason,
        rule=event.rule,
        intent=event.intent,
        confidence=event.confidence,
        summary=summarise(event),
        question=event.question,
        draft=event.draft,
        priority=priority_of(event.rule, event.intent),
    )


def reopen_case(event: Relayed, now_ms: int) -> Case:
    """The case for a message whose agent handed back while it was on its way."""
    rule = "relay.after_hand_back"
    return replace(
        _bare_case(event, now_ms),
        reason="The customer wrote to an agent who had just left.",
        rule=rule,
        summary=first_words(event.text, _SUMMARY_CHARS),
        question=event.text,
        priority=priority_of(rule),
    )


def _bare_case(event: TurnEvent, now_ms: int) -> Case:
    return Case(
        case_id=case_id_of(event.tenant_id, event.conversation_id, event.turn_id),
        tenant_id=event.tenant_id,
        conversation_id=event.conversation_id,
        turn_id=event.turn_id,
        locale=event.locale,
        user_id=event.user_id,
        reply_to=event.reply_to,
        mode=event.mode,
        opened_unix_ms=now_ms,
        updated_unix_ms=now_ms,
    )


def earlier(event: Escalated) -> tuple[Said, ...]:
    """What was said before the hand-over, as far as the event carries it."""
    said: list[Said] = []
    for number, exchange in enumerate(event.context):
        said.append(Said(f"{event.turn_id}:q{number}", "customer", exchange.question, 0))
        said.append(Said(f"{event.turn_id}:a{number}", "bot", exchange.answer, 0))
    return tuple(item for item in said if item.text)


def asked(turn_id: str, text: str, accepted_unix_ms: int, now_ms: int) -> tuple[Said, ...]:
    """The customer's message of a turn, whichever event tells of it first."""
    created_ms = accepted_unix_ms or now_ms
    return (Said(f"{turn_id}:customer", "customer", text, created_ms),) if text else ()


def reason_note(event: Escalated, now_ms: int) -> Said:
    """Why the bot handed over, in the transcript."""
    created_ms = max(now_ms, event.accepted_unix_ms + 1)
    return Said(f"{event.turn_id}:system", "system", event.reason, created_ms)


def brief(case: Case) -> dict[str, Any]:
    """A case as a list shows it."""
    return {
        "case_id": case.case_id,
        "conversation_id": case.conversation_id,
        "state": case.state,
        "priority": Priority(case.priority).name.lower(),
        "reason": case.reason,
        "rule": case.rule,
        "first_words": first_words(case.question or case.summary),
        "agent": case.agent,
        "agent_name": case.agent_name,
        "outcome": case.outcome,
        "locale": case.locale,
        "opened_unix_ms": case.opened_unix_ms,
        "taken_unix_ms": case.taken_unix_ms,
        "closed_unix_ms": case.closed_unix_ms,
    }
