"""Figures of a pair classifier: precision, recall, areas. Definitions as in scikit-learn."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def precision_recall(labels: NDArray[Any], scores: NDArray[Any]) -> tuple[Array, Array, Array]:
    """(precision, recall, threshold) at each distinct score, thresholds falling."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # ties count together
    precision = hits[last] / (last + 1)
    recall = hits[last] / max(1, hits[-1])
    return precision, recall, ranked[last].astype(np.float64)


def recall_at(labels: NDArray[Any], scores: NDArray[Any], least: float) -> float:
    """The largest recall of any threshold whose precision is at least `least`; 0 without one."""
    precision, recall, _ = precision_recall(labels, scores)
    good = precision >= least
    return float(recall[good].max()) if good.any() else 0.0


def threshold_at(labels: NDArray[Any], scores: NDArray[Any], least: float) -> float:
    """The lowest threshold whose precision is at least `least`; infinity without one."""
    precision, _, thresholds = precision_recall(labels, scores)
    good = precision >= least
    return float(thresholds[good].min()) if good.any() else float("inf")


def average_precision(labels: NDArray[Any], scores: NDArray[Any]) -> float:
    """Area under the steps of the precision-recall curve."""
    precision, recall, _ = precision_recall(labels, scores)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def area_under_roc(labels: NDArray[Any], scores: NDArray[Any]) -> float | None:
    """Chance that a positive pair scores above a negative one, ties half; None with one class."""
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    positive = labels.astype(bool)
    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return None
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))
