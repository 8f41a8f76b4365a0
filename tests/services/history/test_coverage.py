"""What documents do not cover: grouped, named, counted once, forgotten with its conversation."""

import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.history import handlers
from services.history.adapters import DAY_MS, SqlTranscripts
from services.history.api import ApiDeps, build_api
from services.history.coverage import Article, disliked, gaps_of, grouped
from services.history.coverage_store import SqlCoverage
from services.history.handlers import Deps
from services.history.reports import Reporter, week_of
from services.jobs import app as jobs
from shared.clock import ManualClock
from shared.database import Database
from shared.embeddings import Embedder, open_embedder
from shared.events import (
    Answered,
    Citation,
    ConversationErased,
    FeedbackGiven,
    Grounded,
    KnowledgeChanged,
    Passage,
)
from shared.web import install_problems

SHOP = Path("infra/sample_shop")
WRAPPING = (
    "Do you offer gift wrapping?",
    "Could you wrap it as a present?",
    "Can you pack my order in gift paper?",
)
APPLE = ("Is there an Apple Watch version of the app?", "Does the app run on an Apple Watch?")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder("support:", threads=1)


def asked(text: str, number: int, answerable: float = 0.1, **more: Any) -> dict[str, Any]:
    return {
        "tenant_id": "morrow",
        "conversation_id": f"c{number}",
        "turn_id": f"t{number}",
        "deadline_unix_ms": 0,
        "accepted_unix_ms": ManualClock().now_ms,
        "text": text,
        "fingerprint": "f",
        "route": "knowledge_base",
        "intent": "x",
        "intent_confidence": 1.0,
        "answerable": answerable,
        **more,
    }


def cites(number: int, document_id: str) -> Answered:
    turn = {k: v for k, v in asked("", number).items() if k.startswith(("t", "c")) and k != "text"}
    return Answered(
        **turn,
        deadline_unix_ms=0,
        text="…",
        route="knowledge_base",
        origin="knowledge",
        citations=(
            Citation(document_id=document_id, document_version="1", title="T", source="",
                     snippet="", score=1.0),
        ),
    )  # fmt: skip


def document(document_id: str, state: Any = "indexed", changed: int = 1) -> KnowledgeChanged:
    return KnowledgeChanged(
        tenant_id="morrow", document_id=document_id, version="1", title=document_id.title(),
        state=state, changed_unix_ms=changed,
    )  # fmt: skip


def test_questions_no_article_answers_are_grouped_by_subject(embedder: Embedder) -> None:
    """Rewordings meet; 56 questions about 56 things stay apart."""
    rows = (SHOP / "unanswerable.jsonl").read_text().splitlines()
    others = [json.loads(row)["query"] for row in rows]
    texts = [*WRAPPING, *(t for t in others if t not in (*WRAPPING, *APPLE)), *APPLE]
    gaps = gaps_of(texts, embedder.embed(texts))
    assert [gap.count for gap in gaps[:3]] == [3, 2, 1]
    assert set(gaps[0].examples) == set(WRAPPING)
    assert {"gift", "wrap"} <= {word.removesuffix("ping") for word in gaps[0].name.split()}
    assert {"Apple", "Watch"} <= set(gaps[1].name.split())
    assert sum(gap.count for gap in gaps) == len(texts)


@given(st.integers(0, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_every_question_is_in_one_group_and_near_its_centre(n: int, size: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(n, size)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    groups = grouped(vectors, 0.5)
    assert sorted(row for group in groups for row in group) == list(range(n))
    for centre, *members in groups:
        assert all(vectors[row] @ vectors[centre] >= 0.5 - 1e-5 for row in members)


def test_one_thumb_down_is_no_verdict() -> None:
    articles = [
        Article("once", "", down=1),
        Article("liked", "", up=9, down=2),
        Article("bad", "", up=2, down=2),
        Article("worst", "", down=5),
    ]
    assert [article.id for article in disliked(articles)] == ["worst", "bad"]


async def filled(database: Database, embedder: Embedder) -> Deps:
    clock = ManualClock()
    deps = Deps(SqlTranscripts(database), SqlCoverage(database), clock)
    for number, text in enumerate(WRAPPING):
        vector = embedder.embed([text])[0].tobytes()
        for _ in range(2):  # at least once
            await handlers.count_question(Grounded(**asked(text, number, embedding=vector)), deps)
    await handlers.count_question(Grounded(**asked("Known?", 10, 0.9)), deps)
    for name in ("returns", "cups", "gone"):
        await handlers.keep_document(document(name), deps)
    await handlers.keep_document(document("gone", "removed", changed=3), deps)
    await handlers.keep_document(document("gone", changed=2), deps)  # late
    for number in (10, 11):
        await handlers.keep_answer(cites(number, "returns"), deps)
        thumb = FeedbackGiven(tenant_id="morrow", conversation_id=f"c{number}",
                              turn_id=f"t{number}", rating="down",
                              given_unix_ms=clock.unix_ms())  # fmt: skip
        await handlers.keep_feedback(thumb, deps)
    return deps


async def test_the_report_says_what_to_write_what_nobody_needs_and_what_nobody_likes(
    database: Database, embedder: Embedder
) -> None:
    deps = await filled(database, embedder)
    reporter = Reporter(SqlCoverage(database), deps.clock)
    report = await reporter.coverage("morrow", 7)
    assert (report["questions"], report["answerable_share"]) == (4, 0.25)
    assert (report["total_gaps"], report["gaps"][0]["count"]) == (1, 3)
    assert set(report["gaps"][0]["examples"]) == set(WRAPPING)
    assert [row["id"] for row in report["unused"]] == ["cups"]
    assert report["disliked"] == [
        {"id": "returns", "title": "Returns", "source": "", "up": 0, "down": 2}
    ]
    assert (await reporter.coverage("another", 7))["questions"] == 0


async def test_what_is_erased_or_old_is_in_no_report(
    database: Database, embedder: Embedder
) -> None:
    deps = await filled(database, embedder)
    erased = ConversationErased(tenant_id="morrow", conversation_id="c0", erased_unix_ms=1)
    await handlers.erase(erased, deps)
    late = Grounded(**asked(WRAPPING[0], 0, embedding=embedder.embed(["x"])[0].tobytes()))
    await handlers.count_question(late, deps)
    reporter = Reporter(SqlCoverage(database), deps.clock)
    assert (await reporter.coverage("morrow", 7))["gaps"][0]["count"] == 2
    later = ManualClock(deps.clock.unix_ms() + 8 * DAY_MS)
    report = await Reporter(SqlCoverage(database), later).coverage("morrow", 7)
    assert (report["questions"], report["answerable_share"], report["gaps"]) == (0, None, [])
    assert len(report["unused"]) == 2


async def test_only_searches_for_customers_count(database: Database) -> None:
    deps = Deps(SqlTranscripts(database), SqlCoverage(database), ManualClock())
    passage = Passage(passage_id="p", document_id="d", document_version="1", title="",
                      text="", score=0.1)  # fmt: skip
    for number, more in enumerate(
        [{"mode": "no_retrieval"}, {"shadow_of": "t9"}, {"route": "escalate_human"},
         {"mode": "lexical", "passages": (passage,)}]
    ):  # fmt: skip
        await handlers.count_question(Grounded(**asked("?", number, **more)), deps)
    report = await Reporter(SqlCoverage(database), deps.clock).coverage("morrow", 7)
    assert report["questions"] == 1


async def test_questions_answered_from_memory_count_as_well(database: Database) -> None:
    deps = Deps(SqlTranscripts(database), SqlCoverage(database), ManualClock())
    again = cites(2, "returns").model_copy(update={"origin": "cache", "confidence": 0.9})
    for event in (cites(1, "returns"), again, again):
        await handlers.keep_answer(event, deps)
    observed = await SqlCoverage(database).observed("morrow", 0)
    assert (observed.questions, observed.relevant) == (1, 1)


async def test_words_are_kept_only_where_no_passage_answers_and_follow_ups_as_searched(
    database: Database, embedder: Embedder
) -> None:
    store = SqlCoverage(database)
    deps = Deps(SqlTranscripts(database), store, ManualClock())
    vector = embedder.embed(["x"])[0].tobytes()
    await handlers.count_question(Grounded(**asked("secret", 1, 0.5, embedding=vector)), deps)
    follow_up = asked("And blue?", 2, embedding=vector, resolved="And blue? (cups)")
    await handlers.count_question(Grounded(**follow_up), deps)
    assert (await store.observed("morrow", 0)).unanswered == ["And blue? (cups)"]


async def test_weekly_reports_are_kept_and_shown_as_a_trend(
    database: Database, embedder: Embedder
) -> None:
    deps = await filled(database, embedder)
    reporter = Reporter(SqlCoverage(database), deps.clock)
    for _ in range(2):  # a task may run twice
        assert await reporter.keep_weekly() == 1
    weeks = (await reporter.coverage("morrow", 7))["weeks"]
    expected = {"questions": 4, "answerable_share": 0.25, "total_gaps": 1}
    assert weeks == [{"week": week_of(deps.clock.unix_ms()), **expected}]


def test_the_week_of_a_report_is_the_one_that_is_over() -> None:
    monday_ms = 1_764_000_000_000 // DAY_MS * DAY_MS  # 2025-11-24T00:00Z
    assert week_of(monday_ms + 5 * 3_600_000) == "2025-W47"


def test_celery_makes_the_weekly_report_and_knows_every_scheduled_task() -> None:
    assert jobs.conf.beat_schedule["report-coverage-weekly"]["task"] == "history.report_coverage"
    jobs.loader.import_default_modules()
    scheduled = {entry["task"] for entry in jobs.conf.beat_schedule.values()}
    assert scheduled <= set(jobs.tasks)


def test_documents_are_synced_every_night() -> None:
    nightly = jobs.conf.beat_schedule["sync-documents-nightly"]
    assert nightly["task"] == "retrieval.sync_sources"
    assert (nightly["schedule"].hour, len(nightly["schedule"].day_of_week)) == ({3}, 7)


async def test_the_report_is_for_the_gateway_only(database: Database, embedder: Embedder) -> None:
    deps = await filled(database, embedder)
    reporter = Reporter(SqlCoverage(database), deps.clock)
    api = build_api(ApiDeps(SqlTranscripts(database), reporter, "token", 10))
    install_problems(api)
    transport = httpx.ASGITransport(app=api)
    async with httpx.AsyncClient(transport=transport, base_url="http://h") as client:
        known = {"X-Switchboard-Internal": "token"}
        found = await client.get("/v1/coverage?tenant=morrow&days=7", headers=known)
        assert found.json()["questions"] == 4
        assert (await client.get("/v1/coverage?tenant=morrow", headers={})).status_code == 401
