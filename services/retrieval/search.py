"""From a question to the passages that may answer it: the one path of the service and of `eval`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace

import numpy as np

from services.retrieval.chunking import Piece
from services.retrieval.core import (
    Calibration,
    Signals,
    best_per_document,
    clear_winner,
    document_scores,
    lead_of,
    promoted,
    reordered,
    signals_of,
    usual,
    without_near_duplicates,
)
from services.retrieval.headlines import HeadlineMatcher, TokenEncoder, headline_of, telling
from services.retrieval.rerank import Reranker
from services.retrieval.wording import Articles, evidence, named, words_of
from shared.embeddings import Embedder
from shared.vectors import Chunk, Hit, Query, VectorStore
from shared.vectors.lexical import count_words

DENSE_WEIGHT = 0.5  # chosen on the dev queries; RESULTS.md
CANDIDATES = 60  # chunks of each leg
HEADLINES = 16  # documents whose headlines are matched
# By training/ranking.py (RESULTS.md); the fused score counts 1.
PHRASE_WEIGHT = 0.011
NAMED_WEIGHT = 0.12  # decides between like articles of two products, and costs no set anything
# Only where each document has a headline of its own: pieces of one text are not told apart by them.
TELLING_WEIGHTS = {"dense": 0.425, "cover": 0.215, "headline_phrases": 0.011, "length": -0.089,
                   "headline_length": -0.022}  # fmt: skip
HEADLINE_WEIGHT = 0.51
RERANK_DOCUMENTS = 6  # eight brought nothing more
RERANK_WEIGHT = 0.005  # per unit of logit; scores are absolute, rivals a few hundredths apart
CLEAR_MARGIN = 0.05  # a lead that the re-ranker does not undo: seven of eight dev queries
USUAL_COVER, USUAL_HEADLINE = 0.25, 0.3  # means on the dev queries, where there is no crowd
# Fitted with the default embedder by training/calibrate.py on dev queries of kb_office and sample
# shop, three to one with questions that nothing there answers (RESULTS.md, decision 0045).
CALIBRATION = Calibration(-6.01, {
    "dense": 12.45, "dense_usual": -4.58, "lexical": -0.21, "lexical_usual": -1.0, "cover": 2.7,
    "cover_usual": -4.96, "headline": 9.93, "headline_usual": -6.03, "lead": 4.26,
})  # fmt: skip
PLAIN_CALIBRATION = Calibration(-4.61, {
    "dense": 16.92, "dense_usual": -7.88, "lexical": 0.34, "lexical_usual": -1.5, "lead": 6.16,
})  # fmt: skip
LEXICAL_CALIBRATION = Calibration(-1.96, {"lexical": 0.24, "lexical_usual": -0.19, "lead": 17.15})


Ranking = tuple[list[Hit], list[float]]  # documents' best chunks and scores, best first


@dataclass(frozen=True, slots=True)
class Result:
    """What was found."""

    passages: tuple[Hit, ...]  # at most `limit`, one per document, best first
    probability: float  # 0 to 1, calibrated: the passages answer the question
    timings_ms: dict[str, float]  # of the steps taken: embed, search, words, headlines, rerank
    signals: dict[str, float]  # what the probability was read from


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the store found, one hit per document, best fused score first."""

    text: str
    ranked: list[Hit]
    scores: list[float]  # of the documents: of their best chunks, and a little of the next
    signals: dict[str, float]
    timings_ms: dict[str, float]
    lexical_only: bool

    def pairs(self) -> list[tuple[str, str]]:
        """Question and passage for the re-ranker; none when the first is far ahead."""
        if self.lexical_only or clear_winner(self.scores, CLEAR_MARGIN):
            return []
        return [(self.text, _passage(hit)) for hit in self.ranked[:RERANK_DOCUMENTS]]

    def result(self, logits: Sequence[float], limit: int) -> Result:
        """The best `limit`, by the re-ranker's logits for `pairs`; no logits: as fused."""
        order = reordered(self.scores, logits, RERANK_WEIGHT)
        probability = self._calibration().probability(self.signals) if self.ranked else 0.0
        passages = tuple(self.ranked[place] for place in order[:limit])
        return Result(passages, probability, self.timings_ms, self.signals)

    def _calibration(self) -> Calibration:
        if self.lexical_only:
            return LEXICAL_CALIBRATION
        return CALIBRATION if "headline" in self.signals else PLAIN_CALIBRATION


class Searcher:
    """Embedder, store and perhaps a re-ranker, put together. Thread-safe; call in an executor."""

    def __init__(
        self, embedder: Embedder, store: VectorStore, reranker: Reranker | None = None
    ) -> None:
        self._embedder = embedder
        self._store = store
        self.reranker = reranker
        self._headlines = HeadlineMatcher(embedder) if isinstance(embedder, TokenEncoder) else None
        self._articles = Articles(store.chunks_of)

    def search(self, query: Query, *, limit: int = 5, rerank: bool = True,
               lexical_only: bool = False) -> Result:  # fmt: skip
        """The whole step: find, re-rank, choose.

        Raises:
            Unavailable: the store cannot be reached.
        """
        found = self.find(query, lexical_only=lexical_only, rerank=rerank)
        logits: Sequence[float] = ()
        if rerank and self.reranker is not None and (pairs := found.pairs()):
            with timed(found.timings_ms, "rerank"):
                logits = self.reranker.scores(pairs)
        return found.result(logits, limit)

    def find(self, query: Query, *, lexical_only: bool = False, rerank: bool = True) -> Candidates:
        """Candidates for `query`; its `vector` saves embedding the text again.

        Searches in the query's language first, and in every language when that has nothing.

        Raises:
            Unavailable: the store cannot be reached.
        """
        timings: dict[str, float] = {}
        vector = None if lexical_only else query.vector
        if vector is None and not lexical_only:
            with timed(timings, "embed"):
                vector = self._embedder.embed([query.text])[0]
        with timed(timings, "search"):
            hits = self._hits(
                replace(query, vector=vector, limit=2 * CANDIDATES, candidates=CANDIDATES)
            )
            ranked = best_per_document(hits)
            by_document = document_scores(hits)
        scores = [by_document[hit.chunk.document_id] for hit in ranked]
        signals = signals_of(ranked, scores, len(count_words(query.text, query.locale)))
        if ranked and rerank and not lexical_only:
            is_telling = telling([headline_of(hit.chunk) for hit in ranked[:HEADLINES]])
            with timed(timings, "words"):
                ranked, scores = self._by_words(query, ranked, scores, signals, is_telling)
            if is_telling and self._headlines is not None:
                with timed(timings, "headlines"):
                    ranked, scores = self._by_headlines(query, ranked, scores, signals)
                signals["lead"] = lead_of(scores)
        return Candidates(query.text, ranked, scores, signals, timings, lexical_only)

    def learn(self, chunks: Sequence[Chunk]) -> None:
        """Do what can be done for the chunks of a document before somebody asks."""
        if chunks:
            self._articles.learn(chunks)
        if self._headlines is not None:
            headlines = sorted({headline_of(chunk) for chunk in chunks}, key=len)
            self._headlines.learn([headline for headline in headlines if headline])

    def _by_words(self, query: Query, ranked: list[Hit], scores: list[float], signals: Signals,
                  is_telling: bool) -> Ranking:  # fmt: skip
        articles = [self._articles.of(hit.chunk) for hit in ranked]
        question = words_of(query.text, query.locale)
        seen = evidence(question, articles)
        products = named(question, [hit.chunk.product for hit in ranked], query.locale)
        better = np.array(scores) + PHRASE_WEIGHT * seen.phrases + NAMED_WEIGHT * products
        if is_telling:
            told = {"dense": np.array([hit.dense for hit in ranked]), **asdict(seen)}
            better += sum(weight * told[name] for name, weight in TELLING_WEIGHTS.items())
        order = np.argsort(-better, kind="stable")
        signals["cover"] = float(seen.cover[order[0]])
        signals["cover_usual"] = usual(seen.cover.tolist(), USUAL_COVER)
        return [ranked[place] for place in order], better[order].tolist()

    def _by_headlines(self, query: Query, ranked: list[Hit], scores: list[float],
                      signals: Signals) -> Ranking:  # fmt: skip
        assert self._headlines is not None
        headlines = [headline_of(hit.chunk) for hit in ranked[:HEADLINES]]
        matches = self._headlines.scores(query.text, headlines)
        signals["headline"] = max(matches)
        signals["headline_usual"] = usual(matches, USUAL_HEADLINE)
        order = promoted(scores, matches, HEADLINE_WEIGHT)
        return [ranked[place] for place, _ in order], [score for _, score in order]

    def _hits(self, query: Query) -> list[Hit]:
        hits = self._store.search(query)
        if not hits and query.locale:
            hits = self._store.search(replace(query, locale=""))
        return without_near_duplicates(hits)


def _passage(hit: Hit) -> str:
    """What the re-ranker reads: as it is embedded, so that training sees the same."""
    chunk = hit.chunk
    return Piece(chunk.title, chunk.headings, chunk.text).embedding_text


@contextmanager
def timed(timings: dict[str, float], step: str) -> Iterator[None]:
    """Note how long the block took."""
    started = time.perf_counter()
    yield
    timings[step] = 1000 * (time.perf_counter() - started)
