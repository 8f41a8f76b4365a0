"""Temperatures and the out-of-scope threshold, chosen on dev data."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.intent.classifier import OOS, Floats, OnnxClassifier, softmax
from services.intent.training.data import ROUTES, Message

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


def calibrate(folder: Path, document: dict[str, Any], dev: Sequence[Message]) -> None:
    """Fills in temperatures and threshold from what the exported int8 model itself says of dev."""
    found = OnnxClassifier(folder, threads=2).logits([m.text for m in dev])
    names = {name: number for number, name in enumerate(document["intents"])}
    known = np.array([names.get(m.intent or "", -1) for m in dev])
    some = known >= 0
    document["intent_temperature"] = fit_temperature(found.intents[some], known[some])
    if document["routes"]:
        ways = np.array([ROUTES.index(m.route) if m.route else -1 for m in dev])
        told = ways >= 0
        document["route_temperature"] = fit_temperature(found.routes[told], ways[told])
    elif OOS in names:
        chances = softmax(found.intents, document["intent_temperature"])
        inside = some & (known != names[OOS])
        score = 1 - np.delete(chances, names[OOS], axis=1).max(axis=1)
        document["oos_threshold"] = oos_threshold(score[inside])
    angry = np.array([m.frustration is not None for m in dev])
    if found.frustration is not None and angry.any():
        told_so = np.array([int((m.frustration or 0) > 0.5) for m in dev])[angry]
        pairs = np.stack([np.zeros_like(found.frustration), found.frustration], axis=1)[angry]
        document["frustration_temperature"] = fit_temperature(pairs, told_so)
