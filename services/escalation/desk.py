"""What an agent may do with a case. Pure: a case in, a decision or a refusal out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from services.escalation.core import Case, Said
from shared.events import BOT, AgentReplied, AnswerDisputed, Event, OwnerChanged

RefusalKind = Literal["missing", "owned", "not_owner", "closed", "no_answer", "no_placeholder"]


@dataclass(frozen=True)
class Agent:
    """Who is logged in."""

    tenant_id: str
    email: str
    name: str


@dataclass(frozen=True)
class Decision:
    """What happens to a case, all of it or nothing."""

    case: Case
    said: tuple[Said, ...] = ()
    events: tuple[Event, ...] = ()
    audit: str = ""  # empty: nothing happened
    detail: str = ""


@dataclass(frozen=True)
class Refusal:
    """Why nothing happens."""

    kind: RefusalKind
    owner: str = ""
    owner_name: str = ""


Verdict = Decision | Refusal


def take(case: Case, agent: Agent, now_ms: int, *, force: bool = False) -> Verdict:
    """The agent speaks from now on. Taking from a colleague must be asked for by `force`."""
    if case.state == "closed":
        return Refusal("closed")
    if case.owner == agent.email:
        return Decision(case)
    if case.state == "active" and not force:
        return Refusal("owned", case.agent, case.agent_name)
    taken = replace(
        case,
        state="active",
        agent=agent.email,
        agent_name=agent.name,
        taken_unix_ms=now_ms,
        updated_unix_ms=now_ms,
    )
    source = f"from {case.agent}" if case.state == "active" else ""
    note = f"{agent.name} took over" + (f" from {case.agent_name}" if source else "")
    audit = "taken_from_colleague" if source else "taken"
    return _owner_changed(taken, note, audit, now_ms, source)


def reply(case: Case, agent: Agent, text: str, message_id: str, now_ms: int) -> Verdict:
    """The agent says something; only who has the conversation may."""
    if refusal := _not_mine(case, agent):
        return refusal
    said = AgentReplied(
        tenant_id=case.tenant_id,
        conversation_id=case.conversation_id,
        message_id=message_id,
        agent=agent.email,
        agent_name=agent.name,
        text=text,
        sent_unix_ms=now_ms,
        reply_to=case.reply_to,
    )
    message = Said(message_id, "agent", text, now_ms, agent.name)
    return Decision(replace(case, updated_unix_ms=now_ms), (message,), (said,), "replied")


def hand_back(case: Case, agent: Agent, now_ms: int) -> Verdict:
    """The bot answers again; the old request is not put to it a second time."""
    if refusal := _not_mine(case, agent):
        return refusal
    return _closed(case, agent, "handed_back", f"{agent.name} handed back to the bot", now_ms)


def close(case: Case, agent: Agent, now_ms: int) -> Verdict:
    """The matter is settled. A case nobody has may be closed by anybody."""
    if case.state == "closed":
        return Refusal("closed")
    if case.state == "active" and (refusal := _not_mine(case, agent)):
        return refusal
    return _closed(case, agent, "resolved", f"{agent.name} closed the case", now_ms)


def dispute(
    case: Case, agent: Agent, said: Sequence[Said], message_id: str, now_ms: int
) -> Verdict:
    """The agent says that an answer of the bot did not fit: no cache gives it to that question."""
    place = next((n for n, item in enumerate(said) if item.message_id == message_id), None)
    if place is None or said[place].role != "bot":
        return Refusal("no_answer")
    asked = [item.text for item in said[:place] if item.role == "customer"]
    event = AnswerDisputed(
        tenant_id=case.tenant_id,
        conversation_id=case.conversation_id,
        turn_id=message_id.removesuffix(":bot") if message_id.endswith(":bot") else "",
        question=asked[-1] if asked else "",
        disputed_by=agent.email,
        disputed_unix_ms=now_ms,
    )
    note = Said(
        f"{message_id}:disputed", "system", f"{agent.name} marked the answer above as wrong", now_ms
    )
    return Decision(case, (note,), (event,), "disputed", message_id)


def types(case: Case, agent: Agent) -> Verdict:
    """The agent who has the conversation is writing; nothing changes."""
    return _not_mine(case, agent) or Decision(case)


def reveal(
    case: Case, agent: Agent, said: Sequence[Said], message_id: str, placeholder: str
) -> Verdict:
    """The agent who has the conversation may see what one placeholder stands for; it is audited."""
    if refusal := _not_mine(case, agent):
        return refusal
    if not any(item.message_id == message_id and placeholder in item.text for item in said):
        return Refusal("no_placeholder")
    return Decision(case, audit="revealed", detail=f"{placeholder} in {message_id}"[:300])


def turn_of(message_id: str) -> str:
    """The turn of a customer's message; empty for one from before the hand-over."""
    return message_id.removesuffix(":customer") if message_id.endswith(":customer") else ""


def released(case: Case, now_ms: int) -> OwnerChanged | None:
    """What the world is told when an agent's conversation is erased."""
    return _owner_event(case, BOT, "", _later(case, now_ms)) if case.owner != BOT else None


def _not_mine(case: Case, agent: Agent) -> Refusal | None:
    if case.state == "closed":
        return Refusal("closed")
    if case.owner != agent.email:
        return Refusal("not_owner", case.owner, case.agent_name)
    return None


def _closed(
    case: Case, agent: Agent, outcome: Literal["resolved", "handed_back"], note: str, now_ms: int
) -> Decision:
    closed = replace(
        case,
        state="closed",
        agent=agent.email,
        agent_name=agent.name,
        outcome=outcome,
        closed_unix_ms=now_ms,
        updated_unix_ms=now_ms,
    )
    if case.owner == BOT:
        said = Said(f"{case.case_id}:closed:{now_ms}", "system", note, now_ms)
        return Decision(closed, (said,), (), outcome)
    return _owner_changed(closed, note, outcome, now_ms)


def _owner_changed(case: Case, note: str, audit: str, now_ms: int, detail: str = "") -> Decision:
    changed_ms = _later(case, now_ms)
    case = replace(case, owner_changed_unix_ms=changed_ms)
    said = Said(f"{case.case_id}:{audit}:{changed_ms}", "system", note, now_ms)
    name = case.agent_name if case.owner != BOT else ""
    event = _owner_event(case, case.owner, name, changed_ms)
    return Decision(case, (said,), (event,), audit, detail)


def _later(case: Case, now_ms: int) -> int:
    # Readers keep the newest; two changes in one millisecond must still have an order.
    return max(now_ms, case.owner_changed_unix_ms + 1)


def _owner_event(case: Case, owner: str, name: str, changed_ms: int) -> OwnerChanged:
    return OwnerChanged(
        tenant_id=case.tenant_id,
        conversation_id=case.conversation_id,
        owner=owner,
        agent_name=name,
        case_id=case.case_id,
        changed_unix_ms=changed_ms,
    )
