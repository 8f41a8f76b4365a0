"""Documents are cut along headings and sentences, never beyond the size allowed."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from services.retrieval.chunking import Piece, chunk_document, plain_words
from shared.embeddings.hashing import HashingEmbedder

EMBEDDER = HashingEmbedder()
ARTICLE = (
    """# Refunds

How to get your money back.

## Small items

Send it back within 30 days. """
    + "We refund the price. " * 15
    + """

### Without receipt

"""
    + "Show us the order number in the app. " * 12
    + """

## Large items

"""
    + "We collect sofas at your door. " * 15
)


def cut(text: str, size: int = 100, title: str = "Refunds", html: bool = False) -> list[Piece]:
    return chunk_document(text, title=title, embedder=EMBEDDER, max_tokens=size, html=html)


def test_each_piece_knows_its_heading_path_without_the_title() -> None:
    paths = [piece.headings for piece in cut(ARTICLE)]
    assert paths == [(), ("Small items", "Without receipt"), ("Large items",)]


def test_a_short_lead_joins_the_section_below_it_and_keeps_its_heading_as_bold() -> None:
    first = cut(ARTICLE)[0]
    assert first.text.startswith("How to get your money back.\n\n**Small items**\n\nSend it back")


def test_title_and_heading_stand_before_the_words_that_are_embedded() -> None:
    last = cut(ARTICLE)[-1]
    assert last.embedding_text.startswith("Refunds\nLarge items\nWe collect sofas")


def test_a_hash_inside_code_is_no_heading() -> None:
    pieces = cut("```\n# not a heading\n```\nSome text here.")
    assert pieces[0].headings == ()
    assert "# not a heading" in pieces[0].text


def test_html_is_read_by_its_headings_and_scripts_are_dropped() -> None:
    pieces = cut("<h2>Gifts</h2><p>Wrapped for free.</p><script>alert(1)</script>", html=True)
    assert pieces[0].headings == ("Gifts",)
    assert pieces[0].text.startswith("Wrapped for free.")


def test_link_targets_are_not_read_to_customers() -> None:
    assert cut('See [our rules](https://shop.example/rules(1) "t").')[0].text == "See our rules."


def test_an_empty_document_has_no_pieces_and_bare_headings_have_one() -> None:
    assert cut("") == cut("   \n\n") == []
    assert [piece.text for piece in cut("# Gift cards", title="Gift cards")] == ["Gift cards"]


def test_error_codes_and_paths_survive_as_words() -> None:
    assert "0x8004010F" in plain_words("**Error** `0x8004010F` in _Outlook_")
    assert plain_words("my_file_name.txt") == "my_file_name.txt"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.from_regex(r"#{1,6} [a-z ]{1,20}", fullmatch=True),
            st.from_regex(r"([A-Za-z]{1,9} ){1,60}[a-z]\.", fullmatch=True),
            st.just("```"),
            st.just(""),
        ),
        max_size=25,
    ),
    st.integers(32, 120),
)
def test_no_piece_is_too_long_and_no_word_is_lost(lines: list[str], size: int) -> None:
    text = "\n".join(lines)
    pieces = cut(text, size, title="t")
    assert all(EMBEDDER.count_tokens(piece.text) <= size for piece in pieces)
    body = " ".join(line for line in lines if line.endswith("."))
    found = " ".join(piece.text for piece in pieces)
    assert len(re.findall(r"\w+", found)) >= len(re.findall(r"\w+", body))
