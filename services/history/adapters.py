"""Transcripts in a relational database."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, Select, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from services.history.core import Entry, iso
from services.history.tables import conversations, feedback, messages, tombstones
from shared.database import Database, insert_new
from shared.events import Conversational, FeedbackGiven

Transcript = dict[str, Any]
DAY_MS = 86_400_000


class SqlTranscripts:
    """Writes are idempotent; a conversation that was erased takes no more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, event: Conversational, entries: tuple[Entry, ...], now_ms: int) -> bool:
        """Store what is new of `entries`; False when the conversation was erased."""
        async with self._database.writing(event.conversation_id) as connection:
            if await is_erased(connection, event):
                return False
            first_ms = min((entry.created_unix_ms for entry in entries), default=now_ms)
            last_ms = max((entry.created_unix_ms for entry in entries), default=now_ms)
            await touch(connection, event, first_ms, last_ms)
            await insert_new(connection, messages, [_row(event, entry) for entry in entries])
        return True

    async def add_feedback(self, event: FeedbackGiven) -> bool:
        """Store a thumb; False when the conversation was erased."""
        async with self._database.writing(event.conversation_id) as connection:
            if await is_erased(connection, event):
                return False
            await touch(connection, event, event.given_unix_ms, event.given_unix_ms)
            row = event.model_dump(exclude={"topic"})
            await insert_new(connection, feedback, [row])
        return True

    async def erase(self, event: Conversational, erased_unix_ms: int) -> None:
        """Delete every row and leave a tombstone against late events."""
        identity = _identity(event)
        async with self._database.writing(event.conversation_id) as connection:
            row = {**identity, "erased_unix_ms": erased_unix_ms}
            await insert_new(connection, tombstones, [row])
            await connection.execute(
                delete(conversations).where(
                    conversations.c.tenant_id == event.tenant_id,
                    conversations.c.conversation_id == event.conversation_id,
                )
            )

    async def get(self, tenant_id: str, conversation_id: str) -> Transcript | None:
        """One transcript, in the order things were said; None when there is none."""
        here = (tenant_id, conversation_id)
        async with self._database.reading() as connection:
            found = await connection.execute(_of(select(conversations), conversations, here))
            conversation = found.one_or_none()
            if conversation is None:
                return None
            said = await connection.execute(
                _of(select(messages), messages, here).order_by(
                    messages.c.created_unix_ms, messages.c.sequence, messages.c.message_id
                )
            )
            rated = await connection.execute(
                _of(select(feedback), feedback, here).order_by(feedback.c.given_unix_ms)
            )
            return {
                **_head(conversation),
                "messages": [_message(row) for row in said],
                "feedback": [_feedback(row) for row in rated],
            }

    async def recent(
        self, tenant_id: str, limit: int, before: tuple[int, str] | None
    ) -> list[Transcript]:
        """Heads of conversations, the one with the newest message first."""
        statement = select(conversations).where(conversations.c.tenant_id == tenant_id)
        position = tuple_(conversations.c.updated_unix_ms, conversations.c.conversation_id)
        if before is not None:
            statement = statement.where(position < tuple_(*before))
        newest_first = (
            conversations.c.updated_unix_ms.desc(),
            conversations.c.conversation_id.desc(),
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(statement.order_by(*newest_first).limit(limit))
            return [{**_head(row), "updated_unix_ms": row.updated_unix_ms} for row in rows]

    async def purge(self, before_unix_ms: int, batch: int) -> int:
        """Delete up to `batch` conversations whose last message is older; how many went."""
        identity = (conversations.c.tenant_id, conversations.c.conversation_id)
        old = select(*identity).where(conversations.c.updated_unix_ms < before_unix_ms)
        async with self._database.writing() as connection:
            gone = await connection.execute(
                delete(conversations).where(tuple_(*identity).in_(old.limit(batch)))
            )
            return gone.rowcount

    async def forget_tombstones(self, before_unix_ms: int) -> int:
        """Delete tombstones that no late event can reach any more; how many went."""
        async with self._database.writing() as connection:
            old = tombstones.c.erased_unix_ms < before_unix_ms
            return (await connection.execute(delete(tombstones).where(old))).rowcount


def _identity(event: Conversational) -> dict[str, str]:
    return {"tenant_id": event.tenant_id, "conversation_id": event.conversation_id}


async def is_erased(connection: AsyncConnection, event: Conversational) -> bool:
    """Whether the conversation takes no more."""
    here = (event.tenant_id, event.conversation_id)
    found = await connection.execute(_of(select(tombstones), tombstones, here))
    return found.first() is not None


async def touch(
    connection: AsyncConnection, event: Conversational, first_ms: int, last_ms: int
) -> None:
    """Make sure of the conversation and widen its span of time; events come in any order."""
    row = {
        **_identity(event),
        "user_id": getattr(event, "user_id", ""),
        "locale": getattr(event, "locale", "en"),
        "created_unix_ms": first_ms,
        "updated_unix_ms": last_ms,
    }
    if await insert_new(connection, conversations, [row]):
        return
    here = (
        conversations.c.tenant_id == event.tenant_id,
        conversations.c.conversation_id == event.conversation_id,
    )
    change = update(conversations).where(*here)
    created, updated = conversations.c.created_unix_ms, conversations.c.updated_unix_ms
    await connection.execute(change.where(created > first_ms).values(created_unix_ms=first_ms))
    await connection.execute(change.where(updated < last_ms).values(updated_unix_ms=last_ms))


def _row(event: Conversational, entry: Entry) -> Mapping[str, Any]:
    return {**_identity(event), **asdict(entry), "sequence": entry.sequence}


def _of(statement: Select[Any], table: Any, here: tuple[str, str]) -> Select[Any]:
    return statement.where(table.c.tenant_id == here[0], table.c.conversation_id == here[1])


def _head(row: Row[Any]) -> Transcript:
    return {
        "conversation_id": row.conversation_id,
        "user_id": row.user_id,
        "locale": row.locale,
        "created": iso(row.created_unix_ms),
        "updated": iso(row.updated_unix_ms),
    }


def _message(row: Row[Any]) -> Transcript:
    hidden = {"tenant_id", "conversation_id", "created_unix_ms", "sequence"}
    said = {name: value for name, value in row._mapping.items() if name not in hidden}
    return {**said, "created": iso(row.created_unix_ms)}


def _feedback(row: Row[Any]) -> Transcript:
    return {
        "turn_id": row.turn_id,
        "rating": row.rating,
        "comment": row.comment,
        "given": iso(row.given_unix_ms),
    }
