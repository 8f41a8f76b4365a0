"""How well the second check tells pairs apart: what ships, rules and calibration included."""

import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.cache import scores
from services.cache.likeness import Likeness, compared
from services.cache.pairs import read
from services.cache.settings import CacheSettings
from services.cache.verifier import Verifier, open_verifier
from shared.embeddings import open_embedder
from shared.settings import Settings, load

_TIMED = 200  # pairs timed one by one, spread over the file; more do not move the median

Report = dict[str, float | int | None]


def evaluate(pairs: Path, model: Path | None = None) -> Report:
    """`n`, `recall_at_p90`, `recall_at_p95`, `average_precision`, `auc` (0–1) and `p50_ms`.

    `model`: another folder than the configured one. Recalls and average precision are null without
    a positive row, the area without one of either label. `p50_ms` is of one pair on one thread,
    without its vectors: a look-up has them.

    Raises:
        ValueError: no row, or one that is not a pair; the message names the line.
        ConfigurationError: the model cannot be read.
    """
    rows = read(pairs)
    folder = model or load(CacheSettings).model_dir
    settings = load(Settings)
    verifier = open_verifier(folder, threads=settings.cpu_threads)
    embedder = open_embedder(settings.embedder_url, threads=settings.cpu_threads)
    asked = compared([(row.text_b, row.text_a) for row in rows], embedder)
    labels = np.array([row.label for row in rows])
    found = np.array(verifier.probabilities(asked))
    known = bool(labels.any())
    return {
        "n": len(rows),
        "recall_at_p90": scores.recall_at(labels, found, 0.90) if known else None,
        "recall_at_p95": scores.recall_at(labels, found, 0.95) if known else None,
        "average_precision": scores.average_precision(labels, found) if known else None,
        "auc": scores.area_under_roc(labels, found),
        "p50_ms": round(_median_ms(open_verifier(folder), asked), 2),
    }


def _median_ms(verifier: Verifier, pairs: Sequence[Likeness]) -> float:
    every = max(1, len(pairs) // _TIMED)
    verifier.probabilities(pairs[:1])  # the first call sets up its buffers
    taken: list[float] = []
    for pair in pairs[::every][:_TIMED]:
        started_s = time.perf_counter()
        verifier.probabilities([pair])
        taken.append((time.perf_counter() - started_s) * 1000)
    return statistics.median(taken)
