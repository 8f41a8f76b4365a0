"""What coverage reports are made of, in the relational database; erased with its conversation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sqlalchemy import case, delete, func, select, update

from services.history.adapters import DAY_MS, is_erased, touch
from services.history.coverage import Article, Observed, Vectors
from services.history.tables import documents, feedback, questions, reports, uses
from shared.database import Database, insert_new
from shared.events import RELEVANT, Answered, Grounded, KnowledgeChanged

MAX_UNANSWERED = 4_000  # of a report, the newest: 16 million comparisons, about a second
MAX_ARTICLES = 20_000
KEPT_WEEKS = 52


class SqlCoverage:
    """Writes are idempotent. Every call raises Unavailable when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add_question(self, event: Grounded, now_ms: int) -> None:
        """Count a question; keep its words and meaning if no passage answers it."""
        is_gap = event.answerable < RELEVANT
        text = (event.resolved or event.text) if is_gap else ""
        embedding = _halved(event.embedding) if is_gap else None
        await self._count(event, now_ms, event.answerable, text, embedding)

    async def add_repeat(self, event: Answered, now_ms: int) -> None:
        """Count a question that was answered from memory: no search tells of it."""
        await self._count(event, now_ms, event.confidence)

    async def _count(
        self,
        event: Grounded | Answered,
        now_ms: int,
        answerable: float,
        text: str = "",
        embedding: bytes | None = None,
    ) -> None:
        asked_ms = event.accepted_unix_ms or now_ms
        row = {
            **_turn(event),
            "asked_unix_ms": asked_ms,
            "answerable": answerable,
            "text": text,
            "embedding": embedding,
        }
        async with self._database.writing(event.conversation_id) as connection:
            if not await is_erased(connection, event):
                await touch(connection, event, asked_ms, asked_ms)
                await insert_new(connection, questions, [row])

    async def add_uses(self, event: Answered, now_ms: int) -> None:
        """Note which documents an answer cites."""
        cited = dict.fromkeys(citation.document_id for citation in event.citations)
        rows = [{**_turn(event), "document_id": name, "used_unix_ms": now_ms} for name in cited]
        async with self._database.writing(event.conversation_id) as connection:
            if rows and not await is_erased(connection, event):
                await touch(connection, event, now_ms, now_ms)
                await insert_new(connection, uses, rows)

    async def set_document(self, event: KnowledgeChanged) -> None:
        """Remember what may be cited; older news changes nothing."""
        row = {
            "tenant_id": event.tenant_id,
            "document_id": event.document_id,
            "title": event.title,
            "source": event.source,
            "is_indexed": event.state == "indexed",
            "changed_unix_ms": event.changed_unix_ms,
        }
        async with self._database.writing(f"{event.tenant_id}/{event.document_id}") as connection:
            if await insert_new(connection, documents, [row]):
                return
            await connection.execute(
                update(documents)
                .where(
                    documents.c.tenant_id == event.tenant_id,
                    documents.c.document_id == event.document_id,
                    documents.c.changed_unix_ms < event.changed_unix_ms,
                )
                .values(row)
            )

    async def observed(self, tenant_id: str, since_ms: int) -> Observed:
        """What was asked, found and used since then."""
        relevant = func.sum(case((questions.c.answerable >= RELEVANT, 1), else_=0))
        here = (questions.c.tenant_id == tenant_id, questions.c.asked_unix_ms >= since_ms)
        gaps = (
            select(questions.c.text, questions.c.embedding)
            .where(*here, questions.c.embedding.is_not(None))
            .order_by(questions.c.asked_unix_ms.desc(), questions.c.turn_id)
            .limit(MAX_UNANSWERED)
        )
        async with self._database.reading() as connection:
            total, good = (
                await connection.execute(select(func.count(), relevant).where(*here))
            ).one()
            rows = (await connection.execute(gaps)).all()
        return Observed(
            questions=total,
            relevant=good or 0,
            unanswered=[row.text for row in rows],
            vectors=_unit([row.embedding for row in rows]),
            articles=await self._articles(tenant_id, since_ms),
        )

    async def _articles(self, tenant_id: str, since_ms: int) -> list[Article]:
        thumb = (
            select(
                uses.c.document_id,
                func.count(func.distinct(uses.c.turn_id)).label("used"),
                func.sum(case((feedback.c.rating == "up", 1), else_=0)).label("up"),
                func.sum(case((feedback.c.rating == "down", 1), else_=0)).label("down"),
            )
            .outerjoin(
                feedback,
                (feedback.c.tenant_id == uses.c.tenant_id)
                & (feedback.c.conversation_id == uses.c.conversation_id)
                & (feedback.c.turn_id == uses.c.turn_id),
            )
            .where(uses.c.tenant_id == tenant_id, uses.c.used_unix_ms >= since_ms)
            .group_by(uses.c.document_id)
            .subquery()
        )
        listed = (
            select(documents.c.document_id, documents.c.title, documents.c.source,
                   thumb.c.used, thumb.c.up, thumb.c.down)
            .outerjoin(thumb, thumb.c.document_id == documents.c.document_id)
            .where(documents.c.tenant_id == tenant_id, documents.c.is_indexed)
            .order_by(documents.c.document_id)
            .limit(MAX_ARTICLES)
        )  # fmt: skip
        async with self._database.reading() as connection:
            rows = (await connection.execute(listed)).all()
        return [
            Article(r.document_id, r.title, r.source, r.used or 0, r.up or 0, r.down or 0)
            for r in rows
        ]

    async def tenants(self) -> list[str]:
        """Every tenant that has documents or questions."""
        known = select(documents.c.tenant_id).union(select(questions.c.tenant_id))
        async with self._database.reading() as connection:
            return sorted((await connection.execute(known)).scalars())

    async def keep_report(self, tenant_id: str, week: str, report: Mapping[str, Any]) -> None:
        """Keep the report of a week in place of an earlier one; forget those of last year."""
        same = (reports.c.tenant_id == tenant_id, reports.c.week == week)
        kept = (
            select(reports.c.week)
            .where(reports.c.tenant_id == tenant_id)
            .order_by(reports.c.week.desc())
            .limit(KEPT_WEEKS)
        )
        async with self._database.writing(f"report:{tenant_id}") as connection:
            await connection.execute(delete(reports).where(*same))
            row = {"tenant_id": tenant_id, "week": week, "report": dict(report)}
            await insert_new(connection, reports, [row])
            weeks = (await connection.execute(kept)).scalars().all()
            old = (reports.c.tenant_id == tenant_id, reports.c.week.not_in(weeks))
            await connection.execute(delete(reports).where(*old))

    async def weekly(self, tenant_id: str, limit: int) -> list[dict[str, Any]]:
        """The headlines of former weekly reports, the newest first."""
        statement = (
            select(reports.c.week, reports.c.report)
            .where(reports.c.tenant_id == tenant_id)
            .order_by(reports.c.week.desc())
            .limit(limit)
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        headline = ("questions", "answerable_share", "total_gaps")
        return [{"week": r.week, **{name: r.report[name] for name in headline}} for r in rows]


def since(now_ms: int, days: int) -> int:
    """The beginning of a report of so many days."""
    return now_ms - days * DAY_MS


def _turn(event: Grounded | Answered) -> dict[str, str]:
    return {
        "tenant_id": event.tenant_id,
        "conversation_id": event.conversation_id,
        "turn_id": event.turn_id,
    }


def _halved(embedding: bytes | None) -> bytes | None:
    """[dimensions] float32 to float16: half the room, the same neighbours."""
    if embedding is None:
        return None
    return np.frombuffer(embedding, np.float32).astype(np.float16).tobytes()


def _unit(stored: list[bytes]) -> Vectors:
    if not stored:
        return np.empty((0, 0), np.float32)
    size = len(stored[0])  # another embedder's vectors cannot be compared: only the newest ones'
    rows = [np.frombuffer(v if len(v) == size else bytes(size), np.float16) for v in stored]
    vectors = np.stack(rows).astype(np.float32)
    unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
    return unit
