"""What words say about the conversation."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intent import phrases
from tests.services.intent.conversation import exchange


@pytest.mark.parametrize(
    "text",
    [
        "yes",
        "Yes please!",
        "ok",
        "sure, thanks",
        "Talk to a person",
        "Yes, go ahead",
        "yes, my order is 4711",
        "of course",
    ],
)
def test_a_plain_yes_is_a_yes(text: str) -> None:
    assert phrases.agrees(text) and not phrases.declines(text)


@pytest.mark.parametrize("text", ["no", "No, thanks", "nope", "never mind", "not now please"])
def test_a_plain_no_is_a_no(text: str) -> None:
    assert phrases.declines(text) and not phrases.agrees(text)


@pytest.mark.parametrize(
    "text",
    [
        "yes but how much is it?",
        "no idea",
        "ok where is it",
        "note this",
        "okra",
        "no crema",
        "please stop my order",
        "stop sending me mails",
        "no reason to stay alive",
    ],
)
def test_a_sentence_that_goes_on_is_neither(text: str) -> None:
    assert not phrases.agrees(text) and not phrases.declines(text)


@pytest.mark.parametrize(
    "text", ["agent", "AGENT!!", "operator operator", "a real person", "Operator"]
)
def test_one_bare_word_is_seen(text: str) -> None:
    assert phrases.is_bare_word(text)


@pytest.mark.parametrize("text", ["is there an agent in Berlin", "travel agent", "human error", ""])
def test_a_word_among_others_is_not_bare(text: str) -> None:
    assert not phrases.is_bare_word(text)


def test_the_same_matter_three_times_in_a_row_is_a_loop() -> None:
    first = exchange("where is my parcel 1234")
    second = exchange("So where is the parcel 1234?")
    assert phrases.goes_round("Where is my parcel 1234!", [first, second])
    assert not phrases.goes_round("Where is my parcel 1234!", [second])
    assert not phrases.goes_round("How do I descale it?", [first, second])
    assert not phrases.goes_round("Where is my parcel 1234!", [first, exchange("Are you open?")])


@pytest.mark.parametrize(
    "text", ["That doesn't help", "this did not work", "That is not what I asked", "useless bot"]
)
def test_an_answer_of_no_use_is_heard_only_after_an_answer(text: str) -> None:
    assert phrases.is_unhelped(text, [exchange("q")])
    assert not phrases.is_unhelped(text, [])


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("I want a refund of 900 euros", "900"),
        ("refund me €1.234,50 please", "1234.50"),
        ("money back: 1,234.5 EUR", "1234.5"),
        ("my refund of 20 euro and 150€ is missing", "150"),
        ("refund me 649", "649"),
        ("my 400 back please", "400"),
        ("refund within 300 days", None),
        ("I want 300 dollars back", "300"),
        ("The machine costs 900 euros", None),
        ("refund please", None),
        ("refund order 123456", None),
    ],
)
def test_the_largest_amount_of_a_refund_is_read(text: str, amount: str | None) -> None:
    assert phrases.refund_amount(text) == (None if amount is None else Decimal(amount))


def test_an_amount_that_is_named_on_being_asked_counts() -> None:
    assert phrases.refund_amount("it was 430 euros", "I want a refund") == 430
    assert phrases.refund_amount("I want a refund", "my One cost 649 euros") == 649
    assert phrases.refund_amount("where is it", "refund 900 euros") is None


def test_a_pick_must_mean_exactly_one_option() -> None:
    options = ("Time of a refund", "Return window", "Cost of a return")
    assert phrases.picked("option 3", options) == "Cost of a return"
    assert phrases.picked("the second one", options) == "Return window"
    assert phrases.picked("return", options) is None
    assert phrases.picked("4", options) is None
    assert phrases.picked("how long does the refund for my broken grinder take", options) is None


@given(st.text(max_size=200))
def test_no_text_breaks_any_rule(text: str) -> None:
    phrases.agrees(text)
    phrases.declines(text)
    phrases.is_bare_word(text)
    phrases.refund_amount(f"refund {text} euro {text}")
    phrases.goes_round(text, [exchange(text), exchange(text)])


@given(st.decimals(min_value=0, max_value=99_999, places=2))
def test_an_amount_is_read_as_it_was_written(amount: Decimal) -> None:
    assert phrases.refund_amount(f"a refund of {amount} euros") == amount
    assert phrases.refund_amount(f"a refund of €{str(amount).replace('.', ',')}") == amount
