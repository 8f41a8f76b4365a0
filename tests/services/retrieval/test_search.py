"""A question finds its passages through the whole step, with and without each part of it."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from services.retrieval.search import Result, Searcher
from shared.embeddings.hashing import HashingEmbedder
from shared.vectors import Chunk, Query, VectorStore, open_vectors

EMBEDDER = HashingEmbedder()
TEXTS = {
    "refunds": "A refund takes five days after we have the parcel.",
    "parcels": "Track a parcel with the number in the mail.",
    "gifts": "Gift cards are valid for three years.",
    "sofas": "Sofas are collected at your door.",
}


class PrefersGifts:
    """A re-ranker with one firm belief."""

    def scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        return [9.0 if "Gift" in passage else -9.0 for _, passage in pairs]


@pytest.fixture
def store() -> Iterator[VectorStore]:
    opened = open_vectors("edge:")
    for name, text in TEXTS.items():
        chunk = Chunk(f"{name}#0", name, "1", "shop", text, name.title())
        opened.replace_document("shop", name, "1", [chunk], EMBEDDER.embed([text]))
    yield opened
    opened.close()


def asked(text: str, **more: Any) -> Query:
    return Query("shop", text, **more)


def first(result: Result) -> str:
    return result.passages[0].chunk.document_id


def test_the_right_passage_comes_first_with_its_timings(store: VectorStore) -> None:
    result = Searcher(EMBEDDER, store).search(asked("how long does a refund take"), limit=2)
    assert result.passages[0].chunk.document_id == "refunds"
    assert len(result.passages) == 2
    assert result.timings_ms.keys() == {"embed", "search", "words"}
    assert 0 < result.probability < 1


def test_a_vector_that_came_along_is_not_computed_again(store: VectorStore) -> None:
    vector = EMBEDDER.embed(["refund"])[0]
    assert (
        "embed" not in Searcher(EMBEDDER, store).search(asked("refund", vector=vector)).timings_ms
    )


def test_words_alone_need_no_embedder(store: VectorStore) -> None:
    result = Searcher(EMBEDDER, store).search(asked("refund"), lexical_only=True)
    assert [hit.chunk.document_id for hit in result.passages] == ["refunds"]
    assert "embed" not in result.timings_ms


def test_the_re_ranker_decides_a_close_race_and_only_when_wanted(store: VectorStore) -> None:
    searcher = Searcher(EMBEDDER, store, PrefersGifts())
    close, clear = asked("refunds gifts"), asked("gifts sofas parcels")
    assert first(searcher.search(close)) == "gifts"
    assert first(searcher.search(close, rerank=False)) == "refunds"
    assert "rerank" in searcher.search(close).timings_ms
    assert "rerank" not in searcher.search(close, rerank=False).timings_ms
    assert "rerank" not in searcher.search(clear).timings_ms
    assert first(searcher.search(clear)) == "sofas"


def test_another_language_is_better_than_nothing(store: VectorStore) -> None:
    result = Searcher(EMBEDDER, store).search(asked("refund", locale="de-DE"))
    assert result.passages[0].chunk.document_id == "refunds"


def test_an_empty_shop_has_no_answer(store: VectorStore) -> None:
    result = Searcher(EMBEDDER, store).search(Query("nobody", "refund"))
    assert result.passages == ()
    assert result.probability == 0.0
