"""From a question to the passages that may answer it: the one path of the service and of `eval`."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from services.retrieval.core import (
    Calibration,
    best_per_document,
    clear_winner,
    reordered,
    signals_of,
    without_near_duplicates,
)
from services.retrieval.rerank import Reranker
from shared.embeddings import Embedder, Vectors
from shared.vectors import Hit, Query, VectorStore
from shared.vectors.lexical import count_words

DENSE_WEIGHT = 0.5  # chosen on the dev queries; RESULTS.md
CANDIDATES = 60  # chunks of each leg
RERANK_DOCUMENTS = 6
RERANK_WEIGHT = 0.06  # scores are absolute: rivals lie a few hundredths apart
CLEAR_MARGIN = 0.06  # a fused lead that the re-ranker may not undo; not tuned yet
# Fitted with the default embedder by training/calibrate.py on the sample shop: its queries, whose
# article may be among the first five, and the 56 that no article answers (RESULTS.md).
CALIBRATION = Calibration(-4.63, {"dense": 8.03, "lexical": 0.73, "margin": 3.03})
LEXICAL_CALIBRATION = Calibration(-1.91, {"lexical": 0.76, "margin": 2.2})


@dataclass(frozen=True, slots=True)
class Result:
    """What was found."""

    passages: tuple[Hit, ...]  # at most `limit`, one per document, best first
    probability: float  # 0 to 1, calibrated: the passages answer the question
    timings_ms: dict[str, float]  # embed, search, rerank; a step not taken is absent
    signals: dict[str, float]  # what the probability was read from


class Searcher:
    """Embedder, store and perhaps a re-ranker, put together. Thread-safe; call in an executor."""

    def __init__(
        self, embedder: Embedder, store: VectorStore, reranker: Reranker | None = None
    ) -> None:
        self._embedder = embedder
        self._store = store
        self._reranker = reranker

    def search(
        self,
        tenant_id: str,
        text: str,
        vector: Vectors | None = None,
        *,
        locale: str = "",
        product: str = "",
        visibility: tuple[str, ...] = ("public",),
        limit: int = 5,
        lexical_only: bool = False,
        dense_weight: float = DENSE_WEIGHT,
        rerank: bool = True,
    ) -> Result:
        """The passages for `text`; `vector` [dimensions] saves embedding it again.

        Searches in the language of `locale` first, and in every language when that has nothing.

        Raises:
            Unavailable: the store cannot be reached.
        """
        timings: dict[str, float] = {}
        if vector is None and not lexical_only:
            with _timed(timings, "embed"):
                vector = self._embedder.embed([text])[0]
        query = Query(
            tenant_id,
            text,
            None if lexical_only else vector,
            locale=locale,
            product=product,
            visibility=visibility,
            limit=2 * CANDIDATES,
            dense_weight=dense_weight,
            candidates=CANDIDATES,
        )
        with _timed(timings, "search"):
            hits = self._store.search(query)
            if not hits and locale:
                hits = self._store.search(replace(query, locale=""))
            ranked = best_per_document(without_near_duplicates(hits))
        signals = signals_of(ranked, len(count_words(text, locale)))
        if rerank and self._reranker is not None and not lexical_only:
            with _timed(timings, "rerank"):
                ranked = self._reranked(text, ranked)
        calibration = LEXICAL_CALIBRATION if lexical_only else CALIBRATION
        probability = calibration.probability(signals) if ranked else 0.0
        return Result(tuple(ranked[:limit]), probability, timings, signals)

    def _reranked(self, text: str, ranked: list[Hit]) -> list[Hit]:
        scores = [hit.score for hit in ranked]
        if self._reranker is None or clear_winner(scores, CLEAR_MARGIN):
            return ranked
        passages = [_passage(hit) for hit in ranked[:RERANK_DOCUMENTS]]
        order = reordered(scores, self._reranker.scores(text, passages), RERANK_WEIGHT)
        return [ranked[position] for position in order]


def _passage(hit: Hit) -> str:
    parts = (hit.chunk.title, " ".join(hit.chunk.headings[-1:]), hit.chunk.text)
    return "\n".join(part for part in parts if part)


@contextmanager
def _timed(timings: dict[str, float], step: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[step] = 1000 * (time.perf_counter() - started)
