"""Markdown as a reader hears it."""

from hypothesis import given
from hypothesis import strategies as st

from shared.markdown import sentences_of, snippet_of


def test_a_snippet_shows_no_markup() -> None:
    text = (
        "Takes 25 minutes.\n\n**What you need**\n\n- One *sachet* of [Descaler](https://x.example)."
    )
    assert snippet_of(text, 280) == "Takes 25 minutes. One sachet of Descaler."


def test_headings_and_table_rows_are_no_sentences() -> None:
    assert sentences_of("## A heading of words\n| a | b | c | d |\nA real sentence here.") == [
        "A real sentence here."
    ]


def test_text_without_a_whole_sentence_still_has_a_snippet() -> None:
    assert snippet_of("**Opening** hours", 280) == "Opening hours"


@given(st.text(max_size=400), st.integers(min_value=2, max_value=120))
def test_a_snippet_is_never_longer_than_asked(text: str, characters: int) -> None:
    assert len(snippet_of(text, characters)) <= characters
