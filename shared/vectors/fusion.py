"""Two rankings into one: a weighted sum of scores brought to the same scale.

Scores say more than ranks: a clear winner of one leg stays a clear winner. Both stores fuse here,
so that a question gets the same answer from the embedded engine and from a server.

Source: Bruch, Gai & Ingber 2023, "An Analysis of Fusion Functions for Hybrid Retrieval": a convex
combination of normalised scores beats reciprocal rank fusion and needs few examples to tune.
"""

from collections.abc import Mapping


def scaled(scores: Mapping[str, float], floor: float | None = None) -> dict[str, float]:
    """Scores on 0 to 1: the best is 1, `floor` (or the worst, when None) is 0."""
    if not scores:
        return {}
    best = max(scores.values())
    low = min(scores.values()) if floor is None else floor
    span = best - low
    if span <= 0:
        return dict.fromkeys(scores, 1.0 if best > 0 else 0.0)
    return {key: max(0.0, (score - low) / span) for key, score in scores.items()}


def fuse(
    dense: Mapping[str, float], lexical: Mapping[str, float], dense_weight: float
) -> dict[str, float]:
    """Fused score of every key in either leg, 0 to 1; a key that a leg lacks scores 0 there.

    An empty leg has no say at all: the other leg's scaled scores are the result.
    """
    if not dense or not lexical:
        return scaled(dense) if dense else scaled(lexical, floor=0.0)
    meaning, words = scaled(dense), scaled(lexical, floor=0.0)
    return {
        key: dense_weight * meaning.get(key, 0.0) + (1 - dense_weight) * words.get(key, 0.0)
        for key in dense.keys() | lexical.keys()
    }
