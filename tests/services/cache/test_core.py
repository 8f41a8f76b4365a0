"""When two questions want the same answer, by rules."""

import json
from pathlib import Path

import pytest

from services.cache.core import differs, is_negated, leans_on_context, same_answer
from shared.events import Exchange


@pytest.mark.parametrize(
    ("asked", "remembered"),
    [
        ("how do I cancel my order", "how do I not cancel my order"),
        ("cancel my order", "change my order"),
        ("descale my Morrow One", "descale my Morrow Mini"),
        ("Do you deliver to Germany?", "Do you deliver to France?"),
        ("Can I return it after 30 days?", "Can I return it after 60 days?"),
        ("Does my Klarna pay Paypal?", "Does my Paypal pay Klarna?"),
    ],
)
def test_near_misses_are_not_the_same(asked: str, remembered: str) -> None:
    assert not same_answer(asked, remembered)
    assert not same_answer(remembered, asked)


@pytest.mark.parametrize(
    ("asked", "remembered"),
    [
        ("How do I descale my Morrow One?", "how can i descale the morrow one"),
        ("how to pause my subscription", "How do I pause my membership?"),
    ],
)
def test_plain_rewordings_are_the_same(asked: str, remembered: str) -> None:
    assert same_answer(asked, remembered)


def test_two_negations_cancel_out() -> None:
    assert is_negated("I can't find it")
    assert not is_negated("I can't see why not")


def test_a_follow_up_leans_on_what_came_before() -> None:
    before = [Exchange(question="Do you deliver abroad?", answer="Yes.")]
    assert leans_on_context("and for Spain?", before)
    assert leans_on_context("how much does it cost to send", before)
    assert not leans_on_context("How do I descale my Morrow One machine?", before)
    assert not leans_on_context("and for Spain?", [])


def test_no_near_miss_of_the_sample_shop_passes_the_rules() -> None:
    lines = Path("infra/sample_shop/pairs_near_miss.jsonl").read_text("utf-8").splitlines()
    rows = list(map(json.loads, lines))
    assert len(rows) >= 200
    assert [r for r in rows if same_answer(r["text_a"], r["text_b"])] == []


@pytest.mark.parametrize(
    ("asked", "remembered", "apart"),
    [
        ("Where do I buy the water filter?", "When should I replace the water filter?", True),
        ("How often does an update come?", "How long does an update take?", True),
        ("Hello, where is the serial number?", "And who is it for?", True),
        ("How long does a refund take?", "When do I get my refund?", False),
        ("How much time does it take?", "How long does it take?", False),
        ("Where can I find my invoice?", "How do I get my invoice?", False),
        ("Make the milk hotter", "Can the milk be colder?", True),
        ("Before the update it was louder", "Is it quieter after it?", True),
        ("Is it louder or quieter?", "Why is it louder?", False),
        ("Can I buy used machines?", "Do you sell used machines?", False),
        ("Can I buy a scale in the USA?", "Can I use a scale in the USA?", True),
        ("Wi-Fi is off", "bluetooth is off", True),
        ("Are you open on Fridays?", "Are you open on Good Friday?", True),
        ("Do you deliver on Saturday?", "Do you deliver on Saturdays?", False),
        ("Will it be here by Monday?", "Will it be here on a weekday?", False),
        ("Can I pause a week before?", "Can I pause three days before?", True),
        ("Is 24 months of warranty enough?", "Is a 2-year warranty enough?", False),
        ("It takes half an hour", "It takes 30 minutes", False),
        ("3 working days are long", "three days are long", False),
    ],
)
def test_questions_for_another_thing_or_its_opposite_are_kept_apart(
    asked: str, remembered: str, apart: bool
) -> None:
    assert differs(asked, remembered) is apart
    assert differs(remembered, asked) is apart
