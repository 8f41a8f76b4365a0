"""What is looked up, served, remembered; and what never is."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.cache.deps import Deps
from services.cache.handlers import lookup, remember
from shared.clock import ManualClock
from shared.events import Answered, Exchange, Finding, KnowledgeChanged, Missed, PolicyChanged
from shared.policy import Policy
from tests.services.cache.conftest import answered, asked

QUESTION = "how do I clean the grinder"


async def taught(deps: Deps, clock: ManualClock, about: str = QUESTION, **more: Any) -> None:
    question = asked(about, clock, turn="teacher")
    await remember(await answered(question, deps, **more), deps)


async def result(text: str, deps: Deps, clock: ManualClock, **more: Any) -> Answered | Missed:
    (event,) = await lookup(asked(text, clock, **more), deps)
    return event


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_the_same_question_is_answered_at_once(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    found = await result(f" {QUESTION.upper()}?", deps, clock)
    assert isinstance(found, Answered)
    assert (found.origin, found.similarity, found.stale) == ("cache", 1.0, False)
    assert found.citations[0].document_version == "1"
    assert found.cost_usd == 0


async def test_a_hit_counts_what_it_saved(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    names = ("switchboard_cache_saved_usd_total", "switchboard_cache_saved_seconds_total")
    before = [counted(name, tenant="shop") for name in names]
    await result(QUESTION, deps, clock)
    after = [counted(name, tenant="shop") for name in names]
    assert after[0] - before[0] == pytest.approx(0.002)
    assert after[1] - before[1] == pytest.approx(0.7)


async def test_a_neighbour_serves_when_the_verifier_is_sure(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    found = await result("how do I clean my grinder", deps, clock)
    assert isinstance(found, Answered) and 0.8 < (found.similarity or 0) < 1


async def test_a_neighbour_that_the_verifier_doubts_is_a_miss_with_an_embedding(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    deps.verifier.about[QUESTION] = 0.4  # type: ignore[attr-defined]
    found = await result("how do I clean my grinder", deps, clock)
    assert isinstance(found, Missed) and found.embedding is not None


async def test_of_several_neighbours_the_most_probable_serves(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock, "how do I clean the grinder")
    await taught(deps, clock, "how do I clean the grinder well")
    deps.verifier.about["how do I clean the grinder well"] = 0.99  # type: ignore[attr-defined]
    found = await result("how do I clean my grinder", deps, clock)
    assert isinstance(found, Answered) and found.text.endswith("well")


async def test_a_weak_answer_serves_the_same_words_alone(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock, confidence=0.4)
    assert isinstance(await result(QUESTION, deps, clock), Answered)
    assert isinstance(await result("how do I clean my grinder", deps, clock), Missed)


@pytest.mark.parametrize(
    "more",
    [
        {"tenant_id": "other"},
        {"locale": "de"},
        {"knowledge_version": "k2"},
        {"cache_control": "no-cache"},
        {"cache_control": "no-store"},
        {"findings": (Finding(placeholder="<EMAIL_1>", kind="EMAIL"),)},
        {"flags": ("legal_threat",)},
    ],
)
async def test_nobody_gets_an_answer_that_is_not_for_them(
    deps: Deps, clock: ManualClock, more: dict[str, Any]
) -> None:
    await taught(deps, clock)
    assert isinstance(await result(QUESTION, deps, clock, **more), Missed)


async def test_a_follow_up_is_never_looked_up(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock, "how much is it")
    context = (Exchange(question="Do you sell mugs?", answer="Yes."),)
    assert isinstance(await result("how much is it", deps, clock, context=context), Missed)


@pytest.mark.parametrize(
    "more",
    [
        {"last": False},
        {"cacheable": False},
        {"origin": "faq"},
        {"origin": "degraded"},
        {"cache_control": "no-store"},
        {"embedding": None},
        {"text": "We will write to <EMAIL_1>."},
        {"tier": "small", "text": "Open the lid and then"},
        {"question": "Is <EMAIL_1> my address?"},
        {"policy_version": "of before"},
    ],
)
async def test_only_a_finished_checked_impersonal_answer_is_remembered(
    deps: Deps, clock: ManualClock, more: dict[str, Any]
) -> None:
    await taught(deps, clock, **more)
    assert await deps.store.size("shop") == 0


async def test_no_cache_asks_afresh_and_renews_what_is_remembered(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    clock.advance(3000)
    await taught(deps, clock, cache_control="no-cache")
    clock.advance(3000)  # past the time of the first answer
    assert isinstance(await result(QUESTION, deps, clock), Answered)


def changed(version: str, now_ms: int, **more: Any) -> KnowledgeChanged:
    return KnowledgeChanged(
        tenant_id="shop",
        document_id="doc",
        version=version,
        state="indexed",
        changed_unix_ms=now_ms,
        **more,
    )


async def test_an_answer_is_not_served_once_its_document_has_another_version(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    deps.catalogue.post(changed("2", clock.unix_ms()))  # the eviction itself is still to come
    assert isinstance(await result(QUESTION, deps, clock), Missed)


async def test_an_answer_made_while_its_document_changed_is_not_remembered(
    deps: Deps, clock: ManualClock
) -> None:
    deps.catalogue.post(changed("2", clock.unix_ms()))
    await taught(deps, clock)
    assert await deps.store.size("shop") == 0


async def test_an_expired_answer_is_given_only_when_the_policy_says_so(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    clock.advance(3700)
    assert isinstance(await result(QUESTION, deps, clock), Missed)
    follow(deps, clock, Policy(mode="no_retrieval", serve_stale=True))
    found = await result(QUESTION, deps, clock)
    assert isinstance(found, Answered) and found.stale


def follow(deps: Deps, clock: ManualClock, policy: Policy) -> None:
    event = PolicyChanged(
        tenant_id="-", policy=policy, reason="test", changed_unix_ms=clock.unix_ms()
    )
    assert deps.policy.post(event)


async def test_a_degraded_system_serves_what_a_healthy_one_remembered(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    poor = Policy(mode="extractive", tiers=("extractive",))
    follow(deps, clock, poor)
    more = {"policy_version": poor.answer_version}
    assert isinstance(await result(QUESTION, deps, clock, **more), Answered)


async def test_a_degraded_systems_answers_are_shared_while_it_lasts_and_not_after(
    deps: Deps, clock: ManualClock
) -> None:
    poor = Policy(mode="extractive", tiers=("extractive",))
    follow(deps, clock, poor)
    more = {"policy_version": poor.answer_version}
    await taught(deps, clock, **more)
    assert isinstance(await result(QUESTION, deps, clock, **more), Answered)
    follow(deps, clock, Policy.normal())
    assert isinstance(await result(QUESTION, deps, clock), Missed)


async def test_new_answer_rules_leave_every_answer_behind(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    rules = Policy(answer_rules="2026-11")
    follow(deps, clock, rules)
    more = {"policy_version": rules.answer_version}
    assert isinstance(await result(QUESTION, deps, clock, **more), Missed)
