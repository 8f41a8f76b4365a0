"""Candidates are told apart by the words that few of them have, read over whole articles."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.wording import Article, Articles, article_of, evidence, named, words_of
from shared.vectors import Chunk

TEXTS = st.lists(st.lists(st.integers(1, 6), max_size=12), min_size=1, max_size=6)
QUESTIONS = st.lists(st.integers(1, 6), max_size=8)


def article(text: str, headline: str = "") -> Article:
    return Article(*(np.array(words_of(part, "en"), np.uint32) for part in (text, headline)))


def chunk(document: str, text: str, version: str = "1", **more: object) -> Chunk:
    return Chunk(f"{document}#0", document, version, "shop", text, document.title(), **more)  # type: ignore[arg-type]


def asked(question: str, *texts: str) -> np.ndarray:
    return evidence(words_of(question, "en"), [article(text) for text in texts]).cover


def test_words_are_stemmed_and_stop_words_left_out() -> None:
    assert words_of("The refunds of Anna", "en") == words_of("refund anna", "en")
    assert words_of("is the", "en") == []


def test_a_word_that_all_candidates_have_counts_less_than_one_that_few_have() -> None:
    rare, common, both, _ = asked(
        "outlook crashes", "crashes often", "outlook starts", "outlook crashes", "outlook mail"
    )
    assert common < rare < both == pytest.approx(1.0)


def test_neighbours_in_the_question_should_be_neighbours_in_the_article() -> None:
    texts = ["a toast notification comes", "a notification with toast", "nothing of that kind"]
    phrases = evidence(words_of("toast notification", "en"), [article(t) for t in texts]).phrases
    assert phrases[0] > phrases[1] == phrases[2] == 0


def test_the_last_word_of_one_part_is_no_neighbour_of_the_next_part() -> None:
    apart = article_of([chunk("a", "write a toast"), chunk("a", "notification settings")])
    together = article_of([chunk("a", "write a toast notification"), chunk("a", "settings")])
    found = evidence(words_of("toast notification", "en"), [apart, together]).phrases
    assert found[0] == 0 < found[1]


def test_the_headline_speaks_for_itself() -> None:
    one, two = article("late refund", "late refund"), article("late refund", "gift cards")
    found = evidence(words_of("late refund", "en"), [one, two])
    assert found.headline_phrases[0] > found.headline_phrases[1] == 0
    assert found.phrases[0] == found.phrases[1]


def test_headings_are_read_once_for_all_their_chunks() -> None:
    chunks = [chunk("a", "one", headings=("Sofas",)), chunk("a", "two", headings=("Sofas",))]
    assert article_of(chunks).words.tolist().count(words_of("sofas", "en")[0]) == 1


@given(QUESTIONS, TEXTS)
def test_evidence_is_finite_and_cover_a_share(question: list[int], texts: list[list[int]]) -> None:
    articles = [Article(np.array(t, np.uint32), np.array(t[:3], np.uint32)) for t in texts]
    found = evidence(question, articles)
    lengths = (found.length, found.headline_length)
    for values in (found.cover, found.phrases, found.headline_phrases, *lengths):
        assert values.shape == (len(texts),)
        assert np.isfinite(values).all() and (values >= 0).all()
    assert (found.cover <= 1 + 1e-9).all()


@given(QUESTIONS, TEXTS)
def test_a_candidate_with_every_word_covers_all(
    question: list[int], texts: list[list[int]]
) -> None:
    articles = [
        Article(np.array(t, np.uint32), np.array([], np.uint32)) for t in [question, *texts]
    ]
    assert evidence(question, articles).cover[0] == pytest.approx(1.0 if question else 0.0)


class Shelf:
    """Documents, and how often each was fetched."""

    def __init__(self, *documents: Sequence[Chunk]) -> None:
        self._documents = {chunks[0].document_id: chunks for chunks in documents}
        self.fetched: list[str] = []

    def chunks_of(self, tenant_id: str, document_id: str) -> Sequence[Chunk]:
        self.fetched.append(document_id)
        return self._documents.get(document_id, [])


def test_a_document_is_read_once_and_whole() -> None:
    shelf = Shelf([chunk("a", "first"), chunk("a", "second")])
    articles = Articles(shelf.chunks_of)
    for _ in range(2):
        assert words_of("second", "en")[0] in articles.of(chunk("a", "first")).words
    assert shelf.fetched == ["a"]


def test_what_was_learnt_is_not_fetched_and_a_new_version_is() -> None:
    shelf = Shelf([chunk("a", "newer", version="2")])
    articles = Articles(shelf.chunks_of)
    articles.learn([chunk("a", "older")])
    assert words_of("older", "en")[0] in articles.of(chunk("a", "older")).words
    assert shelf.fetched == []
    assert words_of("newer", "en")[0] in articles.of(chunk("a", "newer", version="2")).words
    assert shelf.fetched == ["a"]


def test_the_longest_unused_makes_room() -> None:
    shelf = Shelf(*([chunk(name, "word " * 8)] for name in "abc"))
    articles = Articles(shelf.chunks_of, kept_words=25)
    for name in "abac":
        articles.of(chunk(name, ""))
    assert shelf.fetched == ["a", "b", "c"]
    articles.of(chunk("a", ""))
    articles.of(chunk("b", ""))
    assert shelf.fetched == ["a", "b", "c", "b"]


def test_a_document_that_was_withdrawn_meanwhile_speaks_by_its_chunk() -> None:
    assert len(Articles(Shelf().chunks_of).of(chunk("gone", "still here")).words) > 1


def test_the_product_that_the_question_names_is_marked() -> None:
    question = words_of("How do I descale the Morrow One?", "en")
    assert named(question, ["one", "mini", "", "morrow one"], "en").tolist() == [1, 0, 0, 1]
