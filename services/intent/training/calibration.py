"""Temperatures and the out-of-scope threshold, chosen on dev data."""

import numpy as np
from numpy.typing import NDArray

from services.intent.classifier import Floats, softmax

REFUSED = 0.03  # share of in-scope dev messages that may be refused; the target on test is 4 %


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature in 0.2–5 with the lowest negative log likelihood.

    Source: Guo et al. 2017, arXiv:1706.04599.
    """
    rows = np.arange(len(labels))
    grid = np.geomspace(0.2, 5.0, 200)
    losses = [-np.log(softmax(logits, float(t))[rows, labels] + 1e-9).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def oos_threshold(known: Floats, refused: float = REFUSED) -> float:
    """The score that `refused` of the in-scope dev messages exceed; scores in 0–1."""
    return float(np.quantile(known, 1 - refused))
