"""Which way a message goes, and by which rule."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intent import core
from services.intent.core import Decision, Said, decide_by_scores, decide_by_words
from services.intent.settings import IntentSettings
from services.intent.topics import parse_topics
from tests.services.intent.conversation import OFFERED, exchange, said, scored

TOPICS = parse_topics(Path("infra/sample_shop/topics.yaml").read_text(), "topics.yaml")
FAQ = scored()
ANGRY = scored("knowledge_base", 0.9, "order_problem", frustration=0.9)
LOOP = (exchange("Where is my parcel?"), exchange("Where is my parcel now?"))


def way(what: Said, scores: core.Scores = FAQ) -> Decision:
    by_words = decide_by_words(what, TOPICS)
    return by_words or decide_by_scores(what, scores, TOPICS, IntentSettings())


@pytest.mark.parametrize(
    ("what", "scores", "action", "rule"),
    [
        (said("When are you open?"), FAQ, "template", "model.opening_hours"),
        (said("I want to talk to a human"), FAQ, "hand_over", "keywords.person"),
        (said("agent"), FAQ, "offer", "offer.bare_word"),
        (said("agent", may_offer=False), FAQ, "hand_over", "words.bare_again"),
        (said("yes please", OFFERED), FAQ, "hand_over", "offer.accepted"),
        (said("no thanks", OFFERED), FAQ, "decline", "offer.declined"),
        (said("yes please"), FAQ, "template", "model.opening_hours"),
        (
            said("Where is it?!", exchange("q"), earlier_anger=(0.9, 0.1)),
            ANGRY,
            "documents",
            "model.documents+offer.anger",
        ),
        (
            said("I don't want to talk to a bot, get me a human"),
            FAQ,
            "hand_over",
            "keywords.person",
        ),
        (said("no I need a human", OFFERED), FAQ, "hand_over", "keywords.person"),
        (said("ok where is my parcel", OFFERED), FAQ, "template", "model.opening_hours"),
        (said("human please"), FAQ, "hand_over", "keywords.person"),
        (said("I don't want a person"), FAQ, "template", "model.opening_hours"),
        (said("do I need a descaling agent?"), FAQ, "template", "model.opening_hours"),
        (
            said("connect me to a human, I want you to delete my account"),
            FAQ,
            "hand_over",
            "keywords.person",
        ),
        (said("I want to die, get me a human"), FAQ, "hand_over", "topic.self_harm"),
        (
            said("it was 430 euros", exchange("I want a refund", "How much was it?")),
            FAQ,
            "confirm",
            "topic.refund_over_limit.confirm",
        ),
        (
            said("an odd message"),
            scored(ranking=(("opening_hours", 0.4), ("legal_threat", 0.55))),
            "hand_over",
            "topic.legal_threat",
        ),
        (said("Where is it?!"), ANGRY, "documents", "model.documents"),
        (said("Where is my parcel?", *LOOP), FAQ, "offer", "offer.loop"),
        (said("That doesn't help", exchange("q")), FAQ, "offer", "offer.loop"),
        (said("my burnt hand", flags=("injury",)), FAQ, "hand_over", "topic.injury"),
        (said("x", flags=("new_topic",)), FAQ, "hand_over", "topic.new_topic"),
        (said("Refund 900 euros"), FAQ, "confirm", "topic.refund_over_limit.confirm"),
        (said("Refund 90 euros"), FAQ, "template", "model.opening_hours"),
        (
            said("Delete it", flags=("account_deletion",)),
            FAQ,
            "confirm",
            "topic.account_deletion.confirm",
        ),
        (
            said(
                "yes, I am <EMAIL_1>",
                exchange("Delete my account", "Shall I?", "confirm:account_deletion"),
            ),
            FAQ,
            "hand_over",
            "topic.account_deletion.confirmed",
        ),
        (
            said("I am calling my lawyer"),
            scored("escalate_human", 0.9, "legal_threat"),
            "hand_over",
            "topic.legal_threat",
        ),
        (
            said("too many tries, now I can't get in"),
            replace(scored("escalate_human", 0.5, "self_harm", 0.48), nearness=0.36),
            "documents",
            "model.documents",
        ),
        (
            said("you are all terrible"),
            scored("escalate_human", 0.9, "complaint_angry"),
            "offer",
            "offer.anger",
        ),
        (
            said("you are all terrible", may_offer=False),
            scored("escalate_human", 0.9, "complaint_angry"),
            "hand_over",
            "model.complaint_angry",
        ),
        (said("hm"), scored("faq", 0.4), "documents", "model.documents"),
        (said("rent it?"), replace(FAQ, nearness=0.6), "documents", "model.documents"),
        (said("hi"), scored("chitchat", 0.9, "greeting"), "template", "model.greeting"),
    ],
)
def test_the_rule_that_matches_is_named(
    what: Said, scores: core.Scores, action: str, rule: str
) -> None:
    found = way(what, scores)
    assert (found.action, found.rule) == (action, rule)


def test_two_close_intents_are_asked_about_and_collected() -> None:
    close = scored(
        intent="return_cost",
        intent_confidence=0.46,
        ranking=(("return_cost", 0.46), ("return_window", 0.40), ("gift_cards", 0.05)),
    )
    found = way(said("what about returns"), close)
    assert found.action == "choose" and found.unsure
    assert found.choices == ("return_cost", "return_window")


def test_many_faint_guesses_are_not_asked_about() -> None:
    faint = scored(intent="return_cost", intent_confidence=0.2, ranking=(("return_cost", 0.2),))
    found = way(said("hm"), faint)
    assert found.action == "documents" and found.unsure


def test_the_agent_reads_what_was_confirmed() -> None:
    asked = exchange("Refund me 900 euros", "Shall I?", "confirm:refund_over_limit")
    assert "Refund me 900 euros" in way(said("yes", asked)).reason


routes = st.sampled_from(["faq", "knowledge_base", "escalate_human", "chitchat", "out_of_scope"])
scores = st.builds(
    scored,
    routes,
    st.floats(0, 1),
    st.sampled_from(["opening_hours", "complaint_angry", "return_cost"]),
    st.floats(0, 1),
    frustration=st.floats(0, 1),
)
exchanges = st.builds(
    exchange,
    st.text(max_size=30),
    st.text(max_size=9),
    st.sampled_from(["", core.PERSON, "confirm:account_deletion"]),
)
saids = st.builds(
    Said,
    st.text(max_size=60),
    context=st.lists(exchanges, max_size=3).map(tuple),
    earlier_anger=st.lists(st.floats(0, 1), max_size=2).map(tuple),
    may_offer=st.booleans(),
)


@given(saids, scores)
def test_nobody_is_offered_a_person_twice(what: Said, given_scores: core.Scores) -> None:
    found = way(what, given_scores)
    assert what.may_offer or found.offer != core.PERSON


@given(saids, scores, st.sampled_from([t for t in TOPICS.topics if t != "refund_over_limit"]))
def test_a_sensitive_topic_is_never_answered_by_the_bot_alone(
    what: Said, given_scores: core.Scores, topic: str
) -> None:
    found = way(replace(what, flags=(topic,)), given_scores)
    answers_ours = bool(what.pending) and found.action == "decline"
    assert found.action in ("hand_over", "confirm") or answers_ours


WISHES = (
    "I want to speak to a human being",
    "let me talk to a real person",
    "connect me with an agent please",
    "give me a human now",
    "delete my account and get me an agent",
)


@given(saids, scores, st.sampled_from(WISHES), st.sampled_from([*TOPICS.topics, ""]))
def test_a_wish_in_words_always_reaches_a_person(
    what: Said, given_scores: core.Scores, wish: str, flag: str
) -> None:
    asked = replace(what, text=wish, flags=(flag,) if flag else ())
    assert way(asked, given_scores).action == "hand_over"


@given(saids, scores)
def test_a_hand_over_tells_the_agent_why(what: Said, given_scores: core.Scores) -> None:
    found = way(what, given_scores)
    assert found.rule and (found.action != "hand_over" or found.reason)
