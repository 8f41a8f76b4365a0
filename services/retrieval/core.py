"""Decisions about a ranking: which hits repeat each other, when to stop, how sure to be. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.vectors import Hit

NEAR_DUPLICATE_COSINE = 0.985  # two chunks this alike say the same thing
SIGNAL_DOCUMENTS, USUAL_DOCUMENTS = 40, 20
LEAD_FROM = 6  # fewer documents: no crowd to be ahead of
SUPPORT_WEIGHT = 0.1  # a document's second-best chunk speaks for it a little

Signals = dict[str, float]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A logistic model of "the top passages answer the question", fitted on dev queries.

    Source: Platt 1999, "Probabilistic Outputs for Support Vector Machines".
    """

    bias: float
    weights: Mapping[str, float]

    def probability(self, signals: Mapping[str, float]) -> float:
        """0 to 1; a signal without a weight does not count."""
        logit = self.bias + sum(w * signals.get(name, 0.0) for name, w in self.weights.items())
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, logit))))


def without_near_duplicates(hits: Sequence[Hit]) -> list[Hit]:
    """The hits in order, less those that repeat a better one: same words or nearly same vector."""
    alike = _alike(hits)
    words: set[str] = set()
    kept: list[int] = []
    for place, hit in enumerate(hits):
        text = " ".join(hit.chunk.text.casefold().split())
        if text in words or alike[place, kept].any():
            continue
        words.add(text)
        kept.append(place)
    return [hits[place] for place in kept]


def _alike(hits: Sequence[Hit]) -> NDArray[np.bool_]:
    """[hits, hits]: which have nearly the same vector; one without a vector is like none."""
    found = np.zeros((len(hits), len(hits)), dtype=bool)
    places = [place for place, hit in enumerate(hits) if hit.vector is not None]
    if places:
        vectors = np.stack([hit.vector for hit in hits if hit.vector is not None])
        found[np.ix_(places, places)] = vectors @ vectors.T >= NEAR_DUPLICATE_COSINE
    return found


def document_scores(hits: Sequence[Hit]) -> dict[str, float]:
    """A score per document: its best chunk, and a little of the second best."""
    best: dict[str, list[float]] = {}
    for hit in hits:
        best.setdefault(hit.chunk.document_id, []).append(hit.score)
    return {
        document: top[0] + SUPPORT_WEIGHT * (top[1] if len(top) > 1 else 0.0)
        for document, scores in best.items()
        for top in [sorted(scores, reverse=True)[:2]]
    }


def best_per_document(hits: Sequence[Hit]) -> list[Hit]:
    """The best chunk of each document, documents by their score."""
    scores = document_scores(hits)
    first: dict[str, Hit] = {}
    for hit in sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id)):
        first.setdefault(hit.chunk.document_id, hit)
    return sorted(first.values(), key=lambda hit: (-scores[hit.chunk.document_id], hit.chunk.id))


def clear_winner(scores: Sequence[float], margin: float) -> bool:
    """True when the first score leads the second by at least `margin`: no re-ranking needed."""
    return len(scores) < 2 or scores[0] - scores[1] >= margin


def promoted(
    scores: Sequence[float], matches: Sequence[float], weight: float
) -> list[tuple[int, float]]:
    """Positions and new scores, best first: `weight` times how far a match is above the usual one.

    `matches` belong to the first scores; those they do not reach keep their place behind them.
    """
    usual = sum(matches) / len(matches) if matches else 0.0
    head = [score + weight * (match - usual)
            for score, match in zip(scores, matches, strict=False)]  # fmt: skip
    order = sorted(range(len(head)), key=lambda position: -head[position])
    last = head[order[-1]] if head else math.inf
    tail = [(place, min(last, scores[place])) for place in range(len(head), len(scores))]
    return [(place, head[place]) for place in order] + tail


def reordered(scores: Sequence[float], logits: Sequence[float], weight: float) -> list[int]:
    """Positions, best first: each score less `weight` times how far its logit is below the best.

    `logits` belong to the first scores; those they do not reach keep their order behind them.
    """
    top = max(logits, default=0.0)
    head = [score - weight * (top - logit) for score, logit in zip(scores, logits, strict=False)]
    order = sorted(range(len(head)), key=lambda position: -head[position])
    return order + list(range(len(head), len(scores)))


def signals_of(hits: Sequence[Hit], scores: Sequence[float], question_words: int) -> Signals:
    """What the probability of an answer is read from; empty for no hits.

    `hits` are one per document with their `scores`, best first. Both legs' best values are told
    along with their usual ones here: a cosine of .6 is much in one corpus and little in another.
    """
    if not hits:
        return {}
    dense = sorted((hit.dense for hit in hits[:SIGNAL_DOCUMENTS]), reverse=True)
    lexical = sorted((hit.lexical for hit in hits[:SIGNAL_DOCUMENTS]), reverse=True)
    words = max(1, question_words)
    return {
        "dense": dense[0],
        "dense_usual": _mean(dense[:USUAL_DOCUMENTS]),
        "lexical": lexical[0] / words,
        "lexical_usual": _mean(lexical[:USUAL_DOCUMENTS]) / words,
        "lead": lead_of(scores),
    }


def usual(values: Sequence[float], typical: float) -> float:
    """What candidates usually have; `typical` where too few of them were found to tell."""
    return _mean(values) if len(values) > LEAD_FROM else typical


def lead_of(scores: Sequence[float]) -> float:
    """How far the best document, scores falling, is ahead of the crowd (the sixth to the 15th)."""
    return scores[0] - _mean(scores[5:15]) if len(scores) > LEAD_FROM else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
