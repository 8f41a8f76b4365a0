"""Quoting the right sentences."""

from shared.events import Passage
from shared.extractive import pick_sentences, sentences_of


def passage(document: str, text: str, title: str = "") -> Passage:
    return Passage(
        passage_id=f"{document}#0",
        document_id=document,
        document_version="1",
        title=title or document,
        text=text,
        score=1.0,
    )


RETURNS = passage(
    "returns",
    "You can return unused items within 30 days of delivery. Our office has a red door.\n\n"
    "## Refunds\n\n- We refund you within 5 working days.\n- Gift cards are never refunded.",
)


def test_headings_tables_and_bullets_are_not_part_of_a_sentence() -> None:
    text = "# Title\n\n**Bold** words [here](http://x) end.\n\n| a |\n|---|\n\n- one two three."
    assert sentences_of(text) == ["Bold words here end.", "one two three."]


def test_a_line_in_bold_alone_is_a_heading_and_a_bold_sentence_is_none() -> None:
    text = "**What you need**\n\nOne sachet of descaler.\n\n**Never use any vinegar.**"
    assert sentences_of(text) == ["One sachet of descaler.", "Never use any vinegar."]


def test_the_sentence_that_answers_is_quoted() -> None:
    chosen = pick_sentences("How many days do I have to return something?", [RETURNS])
    assert chosen[0].text == "You can return unused items within 30 days of delivery."


def test_nothing_is_quoted_when_nothing_matches() -> None:
    assert pick_sentences("Is there life on Mars?", [RETURNS]) == []


ONE = passage("one", "Descale your Morrow One every 200 cups.", "Descale your Morrow One")
MINI = passage("mini", "Descale your Morrow Mini every 150 cups.", "Descale your Morrow Mini")


def test_the_first_document_is_quoted_and_never_mixed_with_another() -> None:
    for first, other in ((ONE, MINI), (MINI, ONE)):
        chosen = pick_sentences("How often do I descale my machine?", [first, other])
        assert [sentence.passage for sentence in chosen] == [first]


def test_a_first_document_in_other_words_is_quoted_from_its_beginning() -> None:
    chosen = pick_sentences("decalcify it, working days?", [ONE, RETURNS])
    assert [sentence.text for sentence in chosen] == ["Descale your Morrow One every 200 cups."]
