"""Open cases, keep their transcripts live, forget them when told to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.escalation import core, desk
from services.escalation.core import Case, Said
from shared import metrics
from shared.clock import Clock
from shared.events import (
    Answered,
    CaseOpened,
    Conversational,
    ConversationErased,
    Escalated,
    OwnerChanged,
    PresenceNoticed,
    Relayed,
    Screened,
)


class Cases(Protocol):
    """Where cases are kept; every call may be repeated."""

    async def open(self, case: Case, said: Sequence[Said], more: Sequence[Said]) -> Case | None: ...

    async def append(self, event: Conversational, said: Sequence[Said]) -> bool: ...

    async def position(self, case: Case) -> int: ...

    async def erase(self, event: Conversational, now_ms: int) -> Case | None: ...


class Board(Protocol):
    """Tells open dashboards of a tenant that something is new."""

    def announce(self, tenant_id: str) -> None: ...

    def notice(self, event: PresenceNoticed) -> None: ...


@dataclass(frozen=True)
class Deps:
    """What escalation needs."""

    cases: Cases
    board: Board
    clock: Clock


async def open_case(event: Escalated, deps: Deps) -> CaseOpened | None:
    """A case, or a note in the one that is open; the customer hears where they stand either way."""
    now_ms = deps.clock.unix_ms()
    asked = core.asked(event.turn_id, event.question, event.accepted_unix_ms, now_ms)
    more = (*asked, core.reason_note(event, now_ms))
    case = core.open_case(event, now_ms)
    opened = await deps.cases.open(case, (*core.earlier(event), *more), more)
    if opened is None:
        return None
    if opened is case:
        metrics.ESCALATIONS.labels(event.tenant_id, event.rule).inc()
    deps.board.announce(event.tenant_id)
    position = await deps.cases.position(opened)
    return event.then(CaseOpened, case_id=opened.case_id, queue_position=position)


async def append_relayed(event: Relayed, deps: Deps) -> CaseOpened | None:
    """A customer's message to their agent; a new case when the agent left meanwhile."""
    now_ms = deps.clock.unix_ms()
    said = core.asked(event.turn_id, event.text, event.accepted_unix_ms, now_ms)
    case = core.reopen_case(event, now_ms)
    kept = await deps.cases.append(event, said)
    opened = None if kept else await deps.cases.open(case, said, said)
    deps.board.announce(event.tenant_id)
    if opened is None:
        return None
    position = await deps.cases.position(opened)
    return event.then(CaseOpened, case_id=opened.case_id, queue_position=position)


async def append_question(event: Screened, deps: Deps) -> None:
    """What the customer asks the bot while a case is open."""
    now_ms = deps.clock.unix_ms()
    said = core.asked(event.turn_id, event.text, event.accepted_unix_ms, now_ms)
    if await deps.cases.append(event, said):
        deps.board.announce(event.tenant_id)


async def append_answer(event: Answered, deps: Deps) -> None:
    """What the bot answers while a case is open."""
    if not event.last:
        return
    created_ms = max(deps.clock.unix_ms(), event.accepted_unix_ms + 1)
    said = core.Said(f"{event.turn_id}:bot", "bot", event.text, created_ms)
    if await deps.cases.append(event, (said,)):
        deps.board.announce(event.tenant_id)


async def erase(event: ConversationErased, deps: Deps) -> OwnerChanged | None:
    """Nothing of this conversation stays but the audit log; its agent, if any, lets go."""
    now_ms = deps.clock.unix_ms()
    case = await deps.cases.erase(event, now_ms)
    deps.board.announce(event.tenant_id)
    return desk.released(case, now_ms) if case else None


async def show_presence(event: PresenceNoticed, deps: Deps) -> None:
    """What the customer does, for whoever has their conversation open."""
    if event.side == "customer":
        deps.board.notice(event)


HANDLERS = (open_case, append_relayed, append_question, append_answer, erase)
BROADCAST = (show_presence,)
REPLAYED = ()
