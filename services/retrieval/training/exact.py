"""Exact hybrid search in memory, with the stores' formulas: for mining and for experiments.

A few thousand questions over 16,000 chunks take seconds here and minutes in a store. Chunks, their
embedding and BM25F weights are those of the product; only the search is exhaustive.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from services.retrieval.datasets import read_documents
from services.retrieval.evaluate import chunks_of
from services.retrieval.search import DENSE_WEIGHT
from services.retrieval.vector_cache import cached_vectors
from shared.embeddings import Embedder
from shared.vectors import Chunk
from shared.vectors.fusion import LEXICAL_HALF
from shared.vectors.lexical import encode_chunk, encode_query

Scores = NDArray[np.float32]  # [questions, chunks]


@dataclass(frozen=True)
class Corpus:
    """All chunks of a folder, ready to be searched."""

    chunks: Sequence[Chunk]
    vectors: NDArray[np.float32]  # [chunks, dimensions]

    @cached_property
    def documents(self) -> NDArray[np.int64]:
        """For each chunk the number of its document in `names`: [chunks]."""
        numbers = {name: number for number, name in enumerate(self.names)}
        return np.array([numbers[chunk.document_id] for chunk in self.chunks])

    @cached_property
    def names(self) -> list[str]:
        """Document ids in order of their first chunk."""
        return list(dict.fromkeys(chunk.document_id for chunk in self.chunks))

    @cached_property
    def _words(self) -> dict[int, int]:
        return {word: place for place, word in enumerate({w for row in self._rows for w in row})}

    @cached_property
    def _rows(self) -> list[dict[int, float]]:
        return [encode_chunk(chunk) for chunk in self.chunks]

    @cached_property
    def _weighted(self) -> csr_matrix:
        """BM25F weights times rarity, as Qdrant computes it: [words, chunks]."""
        matrix = _sparse(self._rows, self._words)
        having = np.bincount(matrix.indices, minlength=len(self._words))
        rarity = np.log1p((len(self.chunks) - having + 0.5) / (having + 0.5))
        return csr_matrix(matrix.multiply(rarity[None, :].astype(np.float32)).T)

    def dense(self, vectors: NDArray[np.float32]) -> Scores:
        """Cosines with questions [questions, dimensions]."""
        return np.asarray(vectors @ self.vectors.T)

    def lexical(self, questions: Sequence[str]) -> Scores:
        """BM25F scores."""
        rows = [encode_query(question, "en") for question in questions]
        return np.asarray((_sparse(rows, self._words) @ self._weighted).todense(), dtype=np.float32)

    def fused(self, questions: Sequence[str], vectors: NDArray[np.float32]) -> Scores:
        """What `shared.vectors.fusion` gives when both legs found the chunk."""
        words = self.lexical(questions)
        share = words / (words + LEXICAL_HALF)
        return DENSE_WEIGHT * np.maximum(0.0, self.dense(vectors)) + (1 - DENSE_WEIGHT) * share

    def best_chunks(self, scores: NDArray[np.float32], count: int) -> list[int]:
        """The best chunk of each of the `count` best documents, by scores [chunks]."""
        best: dict[int, int] = {}
        for place in np.argsort(-scores, kind="stable").tolist():
            best.setdefault(int(self.documents[place]), place)
            if len(best) == count:
                break
        return list(best.values())


def _sparse(rows: Sequence[dict[int, float]], words: dict[int, int]) -> csr_matrix:
    known = [[(words[word], value) for word, value in row.items() if word in words] for row in rows]
    ends = np.cumsum([0, *map(len, known)])
    flat = [item for row in known for item in row]
    places = np.array([place for place, _ in flat], dtype=np.int32)
    values = np.array([value for _, value in flat], dtype=np.float32)
    return csr_matrix((values, places, ends), shape=(len(rows), len(words)))


def open_corpus(folder: Path, embedder: Embedder, cache: Path) -> Corpus:
    """Cut and embed the documents of `folder`; embeddings come from `cache` where they can."""
    documents = read_documents(folder, embedder)
    texts = [piece.embedding_text for document in documents for piece in document.pieces]
    chunks = [chunk for document in documents for chunk in chunks_of(document)]
    return Corpus(chunks, cached_vectors(embedder, texts, cache))
