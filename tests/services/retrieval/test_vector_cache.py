"""Texts are embedded once per embedder, whatever they stand beside."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.retrieval.vector_cache import cached_vectors
from shared.embeddings import Vectors
from shared.embeddings.hashing import HashingEmbedder


class Counting(HashingEmbedder):
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        return super().embed(texts)


class Renamed(Counting):
    @property
    def name(self) -> str:
        return "another"


def test_only_new_texts_are_embedded_and_rows_keep_their_order(tmp_path: Path) -> None:
    embedder = Counting()
    cached_vectors(embedder, ["a cat", "a dog"], tmp_path)
    vectors = cached_vectors(embedder, ["a bird", "a dog", "a bird"], tmp_path)
    assert embedder.seen == ["a cat", "a dog", "a bird"]
    np.testing.assert_array_equal(vectors, HashingEmbedder().embed(["a bird", "a dog", "a bird"]))


def test_embedders_do_not_share_vectors(tmp_path: Path) -> None:
    cached_vectors(Counting(), ["a cat"], tmp_path)
    other = Renamed()
    cached_vectors(other, ["a cat"], tmp_path)
    assert other.seen == ["a cat"]


def test_no_texts_give_no_rows(tmp_path: Path) -> None:
    assert cached_vectors(Counting(), [], tmp_path).shape == (0, HashingEmbedder().dimensions)
