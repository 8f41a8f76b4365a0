"""Transcripts: complete, in order, once, and gone when they should be."""

import random
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.history import core, handlers
from services.history.adapters import DAY_MS, SqlTranscripts
from services.history.api import ApiDeps, build_api
from services.history.coverage_store import SqlCoverage
from services.history.handlers import Deps
from services.history.jobs import purge_once
from services.history.reports import Reporter
from services.history.settings import HistorySettings
from shared.clock import ManualClock
from shared.database import Database
from shared.events import (
    AgentReplied,
    Answered,
    Citation,
    ConversationErased,
    Escalated,
    Event,
    FeedbackGiven,
    Relayed,
    Screened,
)
from shared.service import contract_of
from shared.web import install_problems

NOW = ManualClock().now_ms
CITATION = Citation(
    document_id="d", document_version="v", title="T", source="s", snippet="…", score=0.9
)


def turn(number: int, conversation: str = "c1", tenant: str = "morrow") -> dict[str, Any]:
    accepted = NOW - 10_000 + number * 1000
    return {
        "tenant_id": tenant,
        "conversation_id": conversation,
        "turn_id": f"{conversation}-t{number}",
        "accepted_unix_ms": accepted,
        "deadline_unix_ms": accepted + 10_000,
        "user_id": "u1",
    }


def screened(number: int, **more: Any) -> Screened:
    return Screened(**turn(number, **more), text=f"question {number}", fingerprint="f")


def answered(number: int, **more: Any) -> Answered:
    fields = {"text": f"answer {number}", "question": f"question {number}", **more}
    return Answered(
        **turn(number), route="knowledge_base", origin="knowledge", tier="extractive",
        confidence=0.8, citations=(CITATION,), intent="refunds", **fields,
    )  # fmt: skip


def a_conversation() -> list[Event]:
    return [
        screened(1),
        answered(1),
        screened(2),
        Escalated(**turn(2), reason="Asked for a person.", rule="r", question="question 2"),
        Relayed(**turn(3), text="question 3", owner="ana@morrow.example"),
        AgentReplied(
            tenant_id="morrow", conversation_id="c1", message_id="m-1", agent="ana@morrow.example",
            agent_name="Ana", text="Hello", sent_unix_ms=NOW + 5,
        ),
        FeedbackGiven(
            tenant_id="morrow", conversation_id="c1", turn_id="c1-t1", rating="up",
            comment="nice", given_unix_ms=NOW + 9,
        ),
    ]  # fmt: skip


HANDLER_OF = {contract_of(h).consumes: h for h in handlers.HANDLERS}


async def tell(deps: Deps, *events: Event) -> None:
    for event in events:
        await HANDLER_OF[type(event)](event, deps)


async def transcript(deps: Deps, conversation: str = "c1", tenant: str = "morrow") -> Any:
    assert isinstance(deps.transcripts, SqlTranscripts)
    return await deps.transcripts.get(tenant, conversation)


def said(found: Any) -> list[tuple[str, str]]:
    return [(message["role"], message["text"]) for message in found["messages"]]


async def test_a_conversation_reads_as_it_was_held(deps: Deps) -> None:
    clock = deps.clock
    assert isinstance(clock, ManualClock)
    for event in a_conversation():
        clock.now_ms = getattr(event, "accepted_unix_ms", NOW) + 500
        await tell(deps, event)
    found = await transcript(deps)
    assert said(found) == [
        ("customer", "question 1"),
        ("bot", "answer 1"),
        ("customer", "question 2"),
        ("system", "Asked for a person."),
        ("customer", "question 3"),
        ("agent", "Hello"),
    ]
    assert found["feedback"][0]["comment"] == "nice"


@pytest.mark.parametrize("seed", range(5))
async def test_events_in_any_order_and_repeated_make_the_same_transcript(
    deps: Deps, seed: int
) -> None:
    events = a_conversation() * 2
    random.Random(seed).shuffle(events)
    await tell(deps, *events)
    found = await transcript(deps)
    assert len(found["messages"]) == 6
    assert [role for role, _ in said(found)] == [
        "customer", "customer", "customer", "bot", "system", "agent",
    ]  # fmt: skip
    assert found["created"] == core.iso(NOW - 9000)
    assert len(found["feedback"]) == 1


async def test_an_answer_keeps_its_provenance(deps: Deps) -> None:
    await tell(deps, answered(1))
    bot = (await transcript(deps))["messages"][1]
    assert bot["turn_id"] == "c1-t1"
    assert (bot["origin"], bot["tier"], bot["mode"]) == ("knowledge", "extractive", "full")
    assert (bot["confidence"], bot["intent"]) == (0.8, "refunds")
    assert bot["citations"][0]["document_version"] == "v"


async def test_parts_of_a_stream_are_not_kept_only_the_whole(deps: Deps) -> None:
    await tell(deps, answered(1, part=0, last=False, text="half"), answered(1, part=1))
    assert said(await transcript(deps)) == [("customer", "question 1"), ("bot", "answer 1")]


async def test_a_refusal_that_left_no_screened_event_still_shows_its_question(deps: Deps) -> None:
    await tell(deps, answered(1, text="I cannot help with that."))
    assert said(await transcript(deps))[0] == ("customer", "question 1")


async def test_what_was_told_while_the_broker_was_away_stands_where_it_was_told(deps: Deps) -> None:
    await tell(deps, answered(1, told=True), screened(2), answered(2))  # all heard of at NOW
    told = [text for _, text in said(await transcript(deps))]
    assert told == ["question 1", "answer 1", "question 2", "answer 2"]


async def test_an_erased_conversation_is_gone_and_stays_gone(deps: Deps) -> None:
    await tell(deps, *a_conversation())
    erased = ConversationErased(tenant_id="morrow", conversation_id="c1", erased_unix_ms=NOW)
    await tell(deps, erased, *a_conversation(), erased)
    assert await transcript(deps) is None


async def test_one_tenant_never_sees_or_erases_anothers_conversation(deps: Deps) -> None:
    await tell(deps, screened(1), screened(1, tenant="other"))
    erased = ConversationErased(tenant_id="other", conversation_id="c1", erased_unix_ms=NOW)
    await tell(deps, erased)
    assert await transcript(deps, tenant="other") is None
    assert said(await transcript(deps)) == [("customer", "question 1")]


async def test_retention_purges_old_conversations_in_batches_and_nothing_else(
    deps: Deps, database: Database
) -> None:
    await tell(deps, *(screened(1, conversation=f"old{n}") for n in range(7)))
    store = SqlTranscripts(database)
    settings = HistorySettings(retention_days=10, purge_batch=3)
    assert await purge_once(store, settings, ManualClock(NOW + 9 * DAY_MS)) == 0
    later = screened(1, conversation="new").model_copy(
        update={"accepted_unix_ms": NOW + 8 * DAY_MS}
    )
    await tell(deps, later)
    assert await purge_once(store, settings, ManualClock(NOW + 11 * DAY_MS)) == 7
    assert await transcript(deps, "new") is not None
    assert await transcript(deps, "old0") is None


async def test_tombstones_are_forgotten_after_their_time(deps: Deps, database: Database) -> None:
    await tell(
        deps, ConversationErased(tenant_id="morrow", conversation_id="c1", erased_unix_ms=NOW)
    )
    settings = HistorySettings(tombstone_days=8)
    await purge_once(SqlTranscripts(database), settings, ManualClock(NOW + 9 * DAY_MS))
    await tell(deps, screened(1))
    assert await transcript(deps) is not None


@given(st.integers(0, 10**14), st.text(min_size=1))
def test_a_cursor_says_where_it_was_made(time: int, conversation_id: str) -> None:
    assert core.parse_cursor(core.cursor_of(time, conversation_id)) == (time, conversation_id)


@given(st.text())
def test_any_text_is_a_cursor_or_is_not_but_never_an_error(text: str) -> None:
    assert core.parse_cursor(text) is None or "_" in text


def client(database: Database, token: str = "secret") -> httpx.AsyncClient:
    reporter = Reporter(SqlCoverage(database), ManualClock())
    app = build_api(ApiDeps(SqlTranscripts(database), reporter, "secret", page_limit=2))
    install_problems(app)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://history",
        headers={"X-Switchboard-Internal": token} if token else {},
    )


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_without_the_internal_token_nothing_is_given_out(
    deps: Deps, database: Database, token: str
) -> None:
    await tell(deps, screened(1))
    async with client(database, token) as http:
        for path in ("", "/c1", "/c1/export"):
            response = await http.get(f"/v1/conversations{path}", params={"tenant": "morrow"})
            assert response.status_code == 401
            assert "question" not in response.text


async def test_the_api_gives_transcript_export_and_an_honest_404(
    deps: Deps, database: Database
) -> None:
    await tell(deps, *a_conversation())
    async with client(database) as http:
        found = await http.get("/v1/conversations/c1", params={"tenant": "morrow"})
        assert found.json()["conversation_id"] == "c1"
        assert len(found.json()["messages"]) == 6
        export = await http.get("/v1/conversations/c1/export", params={"tenant": "morrow"})
        assert export.json()["format"] == "switchboard.transcript.v1"
        assert 'filename="conversation-c1.json"' in export.headers["Content-Disposition"]
        missing = await http.get("/v1/conversations/c1", params={"tenant": "other"})
        assert missing.status_code == 404
        assert missing.headers["Content-Type"] == "application/problem+json"


async def test_lists_go_on_after_each_page_newest_first(deps: Deps, database: Database) -> None:
    await tell(deps, *(screened(n, conversation=f"c{n}") for n in (1, 2, 3, 4, 5)))
    seen: list[str] = []
    before = ""
    async with client(database) as http:
        while before is not None:
            params = {"tenant": "morrow", "limit": "50", "before": before}
            page = (await http.get("/v1/conversations", params=params)).json()
            seen += [item["conversation_id"] for item in page["conversations"]]
            before = page["next"]
        bad = await http.get("/v1/conversations", params={"tenant": "morrow", "before": "x"})
    assert seen == ["c5", "c4", "c3", "c2", "c1"]
    assert bad.status_code == 422
