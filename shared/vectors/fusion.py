"""Two rankings into one: a weighted sum of scores that mean the same for every question.

A cosine is used as it is; a BM25 score is brought to 0–1 by a curve that is nearly straight where
scores usually lie. Nothing depends on what else was found: a clear winner of one leg stays one, and
a question that nothing matches keeps low scores, which is what the probability is read from. Both
stores fuse here, so that a question gets the same answer from either.

Source: Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval": a convex
combination of scores beats reciprocal rank fusion and needs few examples to tune.
"""

from collections.abc import Mapping

LEXICAL_HALF = 40.0  # the BM25 score that counts 0.5: a good match of about five rare words


def lexical_share(score: float) -> float:
    """A BM25 score (≥ 0) on 0 to 1."""
    return score / (score + LEXICAL_HALF)


def fuse(
    dense: Mapping[str, float], lexical: Mapping[str, float], dense_weight: float
) -> dict[str, float]:
    """Fused score of every key in either leg, 0 to 1; a key that a leg lacks scores 0 there.

    An empty leg has no say at all: the other leg's scores, on 0 to 1, are the result.
    """
    weight = dense_weight if dense and lexical else float(bool(dense))
    return {
        key: weight * max(0.0, dense.get(key, 0.0))
        + (1 - weight) * lexical_share(lexical.get(key, 0.0))
        for key in dense.keys() | lexical.keys()
    }
