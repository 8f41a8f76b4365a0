"""Whether the router still sees what it was trained on. Pure.

Confidences of routes, in ten bins, this week against those on a reference file. Source: population
stability index, Siddiqi 2006, "Credit Risk Scorecards": below 0.1 nothing moved, above 0.25 much.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

BINS = 10
LEAST_MESSAGES = 100  # fewer say nothing: the index of two samples of one source is near 0.2 then
_FLOOR = 1e-3  # an empty bin must not weigh endlessly


def bin_of(confidence: float) -> int:
    """0 to 9: the tenth that a confidence in 0–1 falls into."""
    return min(BINS - 1, int(confidence * BINS))


def histogram(confidences: Sequence[float]) -> list[int]:
    """How many confidences fall into each tenth."""
    counts = [0] * BINS
    for confidence in confidences:
        counts[bin_of(confidence)] += 1
    return counts


def stability_index(reference: Sequence[int], now: Sequence[int]) -> float | None:
    """The shift from one histogram to the other, ≥ 0; None when either has too few messages."""
    if min(sum(reference), sum(now)) < LEAST_MESSAGES:
        return None
    total = 0.0
    for expected, actual in zip(_shares(reference), _shares(now), strict=True):
        total += (actual - expected) * math.log(actual / expected)
    return total


def _shares(counts: Sequence[int]) -> list[float]:
    return [max(_FLOOR, count / sum(counts)) for count in counts]


def week_of(unix_ms: int) -> str:
    """The ISO week, e.g. "2026-W48"."""
    year, week, _ = datetime.fromtimestamp(unix_ms / 1000, UTC).isocalendar()
    return f"{year}-W{week:02}"


def counts_of(fields: Mapping[int, int]) -> list[int]:
    """A histogram from the bins that have a count."""
    return [fields.get(number, 0) for number in range(BINS)]
