"""Decisions about cases, without a database."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.escalation import core, desk
from services.escalation.desk import Agent, Decision, Refusal
from shared.events import BOT, AgentReplied, OwnerChanged

ANA = Agent("morrow", "ana@morrow.example", "Ana")
BEN = Agent("morrow", "ben@morrow.example", "Ben")
NOW = 1_700_000_000_000


def taken(case: core.Case, agent: Agent = ANA) -> core.Case:
    verdict = desk.take(case, agent, NOW)
    assert isinstance(verdict, Decision)
    return verdict.case


@pytest.fixture
def case(a_hand_over: Any) -> core.Case:
    return core.open_case(a_hand_over(), NOW)


@pytest.mark.parametrize(
    ("rule", "priority"),
    [
        ("topic.self_harm", core.Priority.URGENT),
        ("topic.injury", core.Priority.URGENT),
        ("topic.legal", core.Priority.HIGH),
        ("intent.ask_for_human", core.Priority.NORMAL),
        ("failure.generation", core.Priority.NORMAL),
    ],
)
def test_people_in_danger_come_first(rule: str, priority: core.Priority) -> None:
    assert core.priority_of(rule) == priority


def test_the_bot_owns_a_conversation_until_an_agent_takes_it(case: core.Case) -> None:
    assert case.owner == BOT
    assert taken(case).owner == ANA.email


def test_taking_tells_the_world_who_may_speak(case: core.Case) -> None:
    verdict = desk.take(case, ANA, NOW)
    assert isinstance(verdict, Decision)
    (event,) = verdict.events
    assert isinstance(event, OwnerChanged)
    assert (event.owner, event.agent_name, event.case_id) == (ANA.email, "Ana", case.case_id)


def test_taking_ones_own_case_again_changes_nothing(case: core.Case) -> None:
    assert desk.take(taken(case), ANA, NOW + 1) == Decision(taken(case))


def test_a_colleague_is_told_who_has_it_and_may_insist(case: core.Case) -> None:
    mine = taken(case)
    assert desk.take(mine, BEN, NOW) == Refusal("owned", ANA.email, "Ana")
    insisted = desk.take(mine, BEN, NOW, force=True)
    assert isinstance(insisted, Decision)
    assert insisted.case.owner == BEN.email
    assert (insisted.audit, insisted.detail) == ("taken_from_colleague", f"from {ANA.email}")


def test_only_the_owner_may_reply(case: core.Case) -> None:
    assert desk.reply(case, ANA, "Hi", "m1", NOW) == Refusal("not_owner", BOT)
    assert desk.reply(taken(case), BEN, "Hi", "m1", NOW) == Refusal("not_owner", ANA.email, "Ana")
    verdict = desk.reply(taken(case), ANA, "Hi", "m1", NOW)
    assert isinstance(verdict, Decision)
    assert isinstance(verdict.events[0], AgentReplied)
    assert verdict.events[0].text == "Hi"


def test_handing_back_gives_the_word_to_the_bot_and_ends_the_case(case: core.Case) -> None:
    verdict = desk.hand_back(taken(case), ANA, NOW)
    assert isinstance(verdict, Decision)
    assert (verdict.case.state, verdict.case.outcome) == ("closed", "handed_back")
    assert isinstance(verdict.events[0], OwnerChanged)
    assert verdict.events[0].owner == BOT


def test_a_case_nobody_has_may_be_closed_without_a_change_of_owner(case: core.Case) -> None:
    verdict = desk.close(case, ANA, NOW)
    assert isinstance(verdict, Decision)
    assert (verdict.case.outcome, verdict.events) == ("resolved", ())
    assert isinstance(desk.close(taken(case), BEN, NOW), Refusal)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["take", "force", "reply", "hand_back", "close"]),
        st.sampled_from([ANA, BEN]),
        st.integers(0, 2),
    ),
    max_size=20,
)


@given(ACTIONS)
def test_whatever_agents_do_owner_events_tell_the_truth_in_order(
    actions: list[tuple[str, Agent, int]],
) -> None:
    case = core.Case("id", "morrow", "c", "t", "en", "", "", "full", NOW, NOW)
    told, last_ms, now_ms = BOT, 0, NOW
    for action, agent, pause_ms in actions:
        now_ms += pause_ms
        verdict = {
            "take": desk.take,
            "force": lambda c, a, n: desk.take(c, a, n, force=True),
            "reply": lambda c, a, n: desk.reply(c, a, "Hi", "m", n),
            "hand_back": desk.hand_back,
            "close": desk.close,
        }[action](case, agent, now_ms)
        if isinstance(verdict, Refusal):
            continue
        for event in verdict.events:
            if isinstance(event, OwnerChanged):
                assert event.changed_unix_ms > last_ms
                told, last_ms = event.owner, event.changed_unix_ms
            else:
                assert case.owner == agent.email
        assert case.state != "closed"
        case = verdict.case
        assert told == case.owner


@given(st.text(), st.integers(1, 50))
def test_first_words_fit_and_stay_on_one_line(text: str, limit: int) -> None:
    short = core.first_words(text, limit)
    assert len(short) <= limit
    assert short == " ".join(short.split())


def test_a_summary_names_the_last_question_and_how_much_came_before(a_hand_over: Any) -> None:
    assert core.summarise(a_hand_over()) == "After 1 earlier question: A person, please"
    assert core.summarise(a_hand_over(summary="Lost parcel.")) == "Lost parcel."
    assert core.summarise(a_hand_over(question="", context=())) == ""


def test_an_erased_conversation_lets_its_agent_go(case: core.Case) -> None:
    assert desk.released(case, NOW) is None
    released = desk.released(taken(case), NOW)
    assert released is not None
    assert released.owner == BOT
    assert released.changed_unix_ms > taken(case).owner_changed_unix_ms


def test_the_same_turn_always_opens_the_same_case(case: core.Case, a_hand_over: Any) -> None:
    assert core.open_case(a_hand_over(), NOW + 99).case_id == case.case_id
    assert replace(case).case_id != core.open_case(a_hand_over(2), NOW).case_id
