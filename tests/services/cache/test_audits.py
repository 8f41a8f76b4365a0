"""Hits are checked aside, and most asked questions asked ahead; customers see neither."""

from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.cache.audits import settle_shadow
from services.cache.core import is_sampled
from services.cache.deps import Deps
from services.cache.evictions import follow_knowledge
from services.cache.handlers import lookup, remember
from services.cache.warming import warm_up
from shared.clock import ManualClock
from shared.events import (
    WARM_UP,
    Answered,
    Citation,
    Escalated,
    KnowledgeChanged,
    Missed,
    Shadowed,
    WarmUpRequested,
)
from shared.publisher import set_aside
from tests.services.cache.conftest import answered, asked

QUESTION = "how do I clean the grinder"
ELSEWHERE = Citation(
    document_id="else", document_version="1", title="", source="", snippet="", score=1
)


def auditing(deps: Deps) -> Deps:
    return replace(deps, settings=deps.settings.model_copy(update={"audit_share": 1.0}))


async def hit_with_shadow(deps: Deps, clock: ManualClock) -> tuple[Answered, Missed]:
    await remember(await answered(asked(QUESTION, clock, turn="teacher"), deps), deps)
    first, shadow = await lookup(asked(QUESTION, clock, turn="t1"), deps)
    assert isinstance(first, Answered) and isinstance(shadow, Missed)
    return first, shadow


def audits(result: str) -> float:
    labels = {"tenant": "shop", "kind": "exact", "result": result}
    return REGISTRY.get_sample_value("switchboard_cache_audits_total", labels) or 0.0


async def test_the_shadow_of_a_hit_is_another_turn_of_another_conversation(
    deps: Deps, clock: ManualClock
) -> None:
    first, shadow = await hit_with_shadow(auditing(deps), clock)
    assert first.shadow_of == "" and shadow.shadow_of
    assert shadow.turn_id != first.turn_id
    assert shadow.conversation_id != first.conversation_id
    assert shadow.text == QUESTION


async def test_no_hit_is_checked_while_the_system_is_not_well(
    deps: Deps, clock: ManualClock
) -> None:
    watchful = auditing(deps)
    await hit_with_shadow(watchful, clock)
    current = watchful.policy.current.model_copy(update={"mode": "no_rerank"})
    watchful.policy._policy = current
    assert len(await lookup(asked(QUESTION, clock, turn="t2"), watchful)) == 1


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "agreed"),
        ({"citations": (ELSEWHERE,), "text": f"answer to {QUESTION}"}, "agreed"),
        ({"citations": (ELSEWHERE,), "text": "parcels take three days"}, "differed"),
    ],
)
async def test_a_fresh_answer_agrees_by_its_source_or_by_its_words(
    deps: Deps, clock: ManualClock, more: dict[str, Any], expected: str
) -> None:
    _, shadow = await hit_with_shadow(auditing(deps), clock)
    fresh = await answered(asked(QUESTION, clock), deps, **more)
    before = audits(expected)
    await settle_shadow(shadow.then(Shadowed, answer=fresh), deps)
    assert audits(expected) == before + 1
    assert await deps.store.size("shop") == 1


async def test_a_fresh_turn_that_ends_with_a_person_is_counted_apart(
    deps: Deps, clock: ManualClock
) -> None:
    _, shadow = await hit_with_shadow(auditing(deps), clock)
    before = audits("unanswered")
    await settle_shadow(shadow.then(Shadowed), deps)
    assert audits("unanswered") == before + 1


async def test_what_a_shadow_turn_ends_in_reaches_nobody_but_the_cache(
    deps: Deps, clock: ManualClock
) -> None:
    _, shadow = await hit_with_shadow(auditing(deps), clock)
    final = shadow.then(Answered, text="x", route="knowledge_base", origin="knowledge")
    part = final.model_copy(update={"last": False})
    handed_over = shadow.then(Escalated, reason="r", rule="x")
    assert list(set_aside(part)) == []
    assert [type(event) for event in set_aside(final)] == [Shadowed]
    assert [type(event) for event in set_aside(handed_over)] == [Shadowed]
    assert list(set_aside(shadow)) == [shadow]


async def test_turns_of_customers_are_not_set_aside(deps: Deps, clock: ManualClock) -> None:
    final = await answered(asked(QUESTION, clock), deps)
    assert list(set_aside(final)) == [final]


def test_the_sample_has_its_share_and_is_the_same_every_time() -> None:
    turns = [f"turn-{n}" for n in range(4000)]
    sample = [turn for turn in turns if is_sampled(turn, 0.05)]
    assert 120 < len(sample) < 280
    assert all(is_sampled(turn, 0.05) for turn in sample)
    assert not any(is_sampled(turn, 0) for turn in turns)


REQUEST = WarmUpRequested(tenant_id="shop", requested_unix_ms=7)


async def wanted(deps: Deps, clock: ManualClock) -> None:
    for n in range(5):
        await lookup(asked("often", clock, turn=f"a{n}"), deps)
        await lookup(asked(QUESTION, clock, turn=f"b{n}"), deps)
    await follow_knowledge(
        KnowledgeChanged(
            tenant_id="shop",
            document_id="doc",
            version="1",
            state="indexed",
            knowledge_version="k1",
            changed_unix_ms=1,
        ),
        deps,
    )


async def test_what_is_asked_most_and_has_no_answer_is_asked_ahead(
    deps: Deps, clock: ManualClock
) -> None:
    hurried = replace(deps, settings=deps.settings.model_copy(update={"flight_wait_s": 0.0}))
    await wanted(hurried, clock)
    await remember(await answered(asked("often", clock, turn="t"), deps), deps)
    (question,) = await warm_up(REQUEST, hurried)
    assert (question.text, question.shadow_of) == (QUESTION, WARM_UP)
    assert (question.knowledge_version, question.tenant_id) == ("k1", "shop")


async def test_the_answer_to_a_question_asked_ahead_is_remembered(
    deps: Deps, clock: ManualClock
) -> None:
    hurried = replace(deps, settings=deps.settings.model_copy(update={"flight_wait_s": 0.0}))
    await wanted(hurried, clock)
    for question in await warm_up(REQUEST, hurried):
        answer = await answered(question, deps, embedding=None)
        await settle_shadow(question.then(Shadowed, answer=answer), deps)
    (found,) = await lookup(asked(QUESTION, clock, turn="customer"), deps)
    assert isinstance(found, Answered)


async def test_personal_questions_are_not_counted(deps: Deps, clock: ManualClock) -> None:
    await lookup(asked(QUESTION, clock, cache_control="no-store"), deps)
    assert await deps.store.most_asked("shop", 10) == []
