"""Cases in a relational database: what events bring in and what agents do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.escalation.core import Case, Said
from services.escalation.desk import Agent, Decision, Refusal, Verdict
from services.escalation.tables import audit, cases, messages, outbox, tombstones
from shared.database import Database, insert_new
from shared.events import Conversational, Event

_CASE_FIELDS = [cases.c[field.name] for field in fields(Case)]
_OPEN = cases.c.state != "closed"
DAY_MS = 86_400_000


class SqlCases:
    """Every write is one transaction; every write may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(self, case: Case, said: Sequence[Said], more: Sequence[Said]) -> Case | None:
        """Open `case` with all it says, or add `more` to the one that is open already.

        Returns the case the conversation has now; None when the conversation was erased.
        """
        async with self._database.writing(case.conversation_id) as connection:
            if await _is_erased(connection, case.tenant_id, case.conversation_id):
                return None
            found = await _one(connection, _of_conversation(case.tenant_id, case.conversation_id))
            if found is None:
                # A redelivery may come after its case was closed: then there is nothing to open.
                found = await _one(connection, select(*_CASE_FIELDS).where(_is(case)))
                if found is not None:
                    return found
                await connection.execute(cases.insert().values(**asdict(case)))
                await _say(connection, case, said)
                return case
            await _say(connection, found, more)
            urgency = min(found.priority, case.priority)
            change = {
                "priority": urgency,
                "reply_to": case.reply_to,
                "updated_unix_ms": case.updated_unix_ms,
            }
            await connection.execute(update(cases).where(_is(found)).values(**change))
            return found

    async def append(self, event: Conversational, said: Sequence[Said]) -> bool:
        """Add to the conversation's open case; False when it has none."""
        tenant_id, conversation_id = event.tenant_id, event.conversation_id
        of_conversation = _of_conversation(tenant_id, conversation_id)
        async with self._database.reading() as connection:
            if await _one(connection, of_conversation) is None:
                return False  # nearly every turn of nearly every conversation
        async with self._database.writing(conversation_id) as connection:
            found = await _one(connection, of_conversation)
            if found is None:
                return False
            await _say(connection, found, said)
        return True

    async def position(self, case: Case) -> int:
        """Place in the tenant's queue, from 1; 0 when it does not wait."""
        if case.state != "waiting":
            return 0
        rank = tuple_(cases.c.priority, cases.c.opened_unix_ms, cases.c.case_id)
        mine = tuple_(case.priority, case.opened_unix_ms, case.case_id)
        ahead = select(func.count()).where(
            cases.c.tenant_id == case.tenant_id, cases.c.state == "waiting", rank < mine
        )
        async with self._database.reading() as connection:
            return 1 + int((await connection.execute(ahead)).scalar_one())

    async def erase(self, event: Conversational, now_ms: int) -> Case | None:
        """Delete the conversation's cases; the one that was open, if any."""
        here = (cases.c.tenant_id == event.tenant_id) & (
            cases.c.conversation_id == event.conversation_id
        )
        async with self._database.writing(event.conversation_id) as connection:
            found = await _one(connection, _of_conversation(event.tenant_id, event.conversation_id))
            row = {
                "tenant_id": event.tenant_id,
                "conversation_id": event.conversation_id,
                "erased_unix_ms": now_ms,
            }
            await insert_new(connection, tombstones, [row])
            gone = await connection.execute(select(cases.c.case_id).where(here))
            for case_id in gone.scalars().all():
                entry = _audit_row((event.tenant_id, case_id), "customer", "erased", now_ms)
                await connection.execute(audit.insert().values(**entry))
            await connection.execute(delete(cases).where(here))
            return found

    async def act(
        self, agent: Agent, case_id: str, now_ms: int, decide: Callable[[Case], Verdict]
    ) -> Verdict:
        """Decide on a case and do it: state, transcript, audit and outgoing events, or nothing."""
        async with self._database.writing(await self._conversation_of(case_id)) as connection:
            mine = (cases.c.case_id == case_id) & (cases.c.tenant_id == agent.tenant_id)
            case = await _one(connection, select(*_CASE_FIELDS).where(mine))
            if case is None:
                return Refusal("missing")
            verdict = decide(case)
            if isinstance(verdict, Decision) and verdict.audit:
                await _carry_out(connection, agent, verdict, now_ms)
            return verdict

    async def _conversation_of(self, case_id: str) -> str:
        async with self._database.reading() as connection:
            found = await connection.execute(
                select(cases.c.conversation_id).where(cases.c.case_id == case_id)
            )
            return found.scalar_one_or_none() or ""

    async def listed(self, agent: Agent, view: str, limit: int) -> list[Case]:
        """Cases of the agent's tenant: `waiting`, `mine`, `active` (colleagues') or `closed`."""
        statement = select(*_CASE_FIELDS).where(cases.c.tenant_id == agent.tenant_id)
        queue = (cases.c.priority, cases.c.opened_unix_ms, cases.c.case_id)
        views: Mapping[str, tuple[ColumnElement[bool], Sequence[Any]]] = {
            "waiting": (cases.c.state == "waiting", queue),
            "mine": (
                (cases.c.state == "active") & (cases.c.agent == agent.email),
                (cases.c.updated_unix_ms.desc(),),
            ),
            "active": (
                (cases.c.state == "active") & (cases.c.agent != agent.email),
                (cases.c.updated_unix_ms.desc(),),
            ),
            "closed": (cases.c.state == "closed", (cases.c.closed_unix_ms.desc(),)),
        }
        condition, order = views[view]
        async with self._database.reading() as connection:
            rows = await connection.execute(
                statement.where(condition).order_by(*order).limit(limit)
            )
            return [Case(**row._mapping) for row in rows]

    async def counted(self, agent: Agent) -> dict[str, int]:
        """How many cases wait, are mine, and are with colleagues."""
        tenant = cases.c.tenant_id == agent.tenant_id
        by_owner = (
            select(cases.c.state, cases.c.agent, func.count())
            .where(tenant, or_(cases.c.state == "waiting", cases.c.state == "active"))
            .group_by(cases.c.state, cases.c.agent)
        )
        counts = {"waiting": 0, "mine": 0, "active": 0}
        async with self._database.reading() as connection:
            for state, owner, number in await connection.execute(by_owner):
                mine = state == "active" and owner == agent.email
                counts["mine" if mine else state] += number
        return counts

    async def get(self, agent: Agent, case_id: str) -> tuple[Case, list[Said]] | None:
        """A case of the agent's tenant with its transcript."""
        mine = (cases.c.case_id == case_id) & (cases.c.tenant_id == agent.tenant_id)
        columns = [messages.c[field.name] for field in fields(Said)]
        in_order = (
            select(*columns)
            .where(messages.c.case_id == case_id)
            .order_by(messages.c.created_unix_ms, messages.c.number)
        )
        async with self._database.reading() as connection:
            case = await _one(connection, select(*_CASE_FIELDS).where(mine))
            if case is None:
                return None
            said = await connection.execute(in_order)
            return case, [Said(**row._mapping) for row in said]

    async def purge(self, before_unix_ms: int, batch: int) -> int:
        """Delete up to `batch` cases closed earlier; how many went."""
        old = (cases.c.state == "closed") & (cases.c.closed_unix_ms < before_unix_ms)
        some = select(cases.c.case_id).where(old).limit(batch)
        async with self._database.writing() as connection:
            gone = await connection.execute(delete(cases).where(cases.c.case_id.in_(some)))
            return gone.rowcount


async def _one(connection: AsyncConnection, statement: Select[Any]) -> Case | None:
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else Case(**row._mapping)


def _is(case: Case) -> ColumnElement[bool]:
    return cases.c.case_id == case.case_id


def _of_conversation(tenant_id: str, conversation_id: str) -> Select[Any]:
    return select(*_CASE_FIELDS).where(
        cases.c.tenant_id == tenant_id, cases.c.conversation_id == conversation_id, _OPEN
    )


async def _is_erased(connection: AsyncConnection, tenant_id: str, conversation_id: str) -> bool:
    found = await connection.execute(
        select(tombstones.c.erased_unix_ms).where(
            tombstones.c.tenant_id == tenant_id, tombstones.c.conversation_id == conversation_id
        )
    )
    return found.first() is not None


async def _say(connection: AsyncConnection, case: Case, said: Sequence[Said]) -> int:
    return await insert_new(
        connection, messages, [{**asdict(item), "case_id": case.case_id} for item in said]
    )


async def _carry_out(
    connection: AsyncConnection, agent: Agent, decision: Decision, now_ms: int
) -> None:
    case = decision.case
    new = await _say(connection, case, decision.said)
    if decision.said and not new:
        return  # the same reply sent twice: the first one did it all
    await connection.execute(update(cases).where(_is(case)).values(**asdict(case)))
    identity = (case.tenant_id, case.case_id)
    entry = _audit_row(identity, agent.email, decision.audit, now_ms, decision.detail)
    await connection.execute(audit.insert().values(**entry))
    for event in decision.events:
        await connection.execute(outbox.insert().values(**_letter(event)))


def _letter(event: Event) -> dict[str, str]:
    return {"topic": event.topic, "value": event.model_dump_json()}


def _audit_row(
    case: tuple[str, str], agent: str, action: str, at_unix_ms: int, detail: str = ""
) -> dict[str, Any]:
    return {
        "tenant_id": case[0],
        "case_id": case[1],
        "agent": agent,
        "action": action,
        "detail": detail,
        "at_unix_ms": at_unix_ms,
    }
