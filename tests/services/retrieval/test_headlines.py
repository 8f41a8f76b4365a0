"""Headlines are matched token by token, computed once, and never push out each other's passages."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.core import promoted
from services.retrieval.headlines import HeadlineMatcher, TokenVectors, headline_of, telling
from shared.embeddings import open_embedder
from shared.vectors import Chunk

SCORES = st.lists(st.floats(0, 1), max_size=8)


class Letters:
    """Every letter is a token and a direction of its own."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def token_vectors(self, texts: Sequence[str], max_tokens: int) -> list[TokenVectors]:
        self.seen += texts
        rows = np.eye(26, dtype=np.float32)
        return [rows[[ord(letter) - ord("a") for letter in text[:max_tokens]]] for text in texts]


def test_the_share_of_the_question_that_the_headline_has_is_the_score() -> None:
    matcher = HeadlineMatcher(Letters())
    assert matcher.scores("abcd", ["abx", "xyz", "dcba"]) == pytest.approx([0.5, 0.0, 1.0])


def test_headlines_tell_only_where_each_document_has_its_own() -> None:
    assert telling(["a", "b"])
    assert not telling(["a", "a"])
    assert not telling(["a", ""])
    assert not telling([])


def test_a_headline_is_computed_once_and_the_oldest_makes_room() -> None:
    letters = Letters()
    matcher = HeadlineMatcher(letters, kept=2)
    matcher.scores("q", ["a", "b", "a"])
    matcher.scores("q", ["b", "c"])
    assert letters.seen == ["q", "a", "b", "q", "c"]
    matcher.scores("q", ["a"])
    assert letters.seen[-2:] == ["q", "a"]


def test_what_was_learnt_is_not_computed_when_somebody_asks_and_pushes_nothing_out() -> None:
    letters = Letters()
    matcher = HeadlineMatcher(letters, kept=2)
    matcher.learn(["a", "b"])
    matcher.learn(["c"])
    assert letters.seen == ["a", "b"]
    matcher.scores("q", ["a", "b"])
    assert letters.seen == ["a", "b", "q"]


def test_the_embedder_of_the_product_gives_token_vectors() -> None:
    embedder = open_embedder("support:")
    matcher = HeadlineMatcher(embedder)  # type: ignore[arg-type]
    right, wrong = matcher.scores("my refund is late", ["Late refunds", "Gift cards"])
    assert right > wrong


def test_the_headline_is_the_title_and_the_outermost_heading() -> None:
    chunk = Chunk("a#0", "a", "1", "shop", "text", "Returns", ("Large items", "Sofas"))
    assert headline_of(chunk) == "Returns\nLarge items"
    assert headline_of(Chunk("a#0", "a", "1", "shop", "text", "")) == ""


def test_a_better_match_overtakes_a_close_rival_only() -> None:
    assert [place for place, _ in promoted([0.6, 0.58, 0.2], [0.2, 0.6, 0.6], 0.3)] == [1, 0, 2]


@given(SCORES, SCORES)
def test_nobody_is_lost_and_scores_fall(scores: list[float], matches: list[float]) -> None:
    scores.sort(reverse=True)
    order = promoted(scores, matches[: len(scores)], 0.3)
    assert sorted(place for place, _ in order) == list(range(len(scores)))
    values = [value for _, value in order]
    assert values == sorted(values, reverse=True)
