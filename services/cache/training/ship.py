"""From trained weights to the model folder: int8, calibrated, measured as the product uses it."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.cache import scores as figures
from services.cache.pairs import Pair
from services.cache.training import export
from services.cache.training.model import PairModel
from services.cache.training.split import Split
from services.cache.verifier import PairVerifier

Figures = dict[str, float]


def ship(model: PairModel, parts: Split, out: Path, document: Mapping[str, Any]) -> None:
    """Writes `model.onnx`, `config.json` and `report.md`; `document` is kept in the config.

    Scale and shift are fitted on the random hold-out and measured on the one apart.
    """
    config = {"scale": 1.0, "shift": 0.0, "both_orders": True, **document}
    export.export(model, out / "model.onnx")
    _write(out, config)
    config["scale"], config["shift"] = platt(out, parts.random)
    _write(out, config)
    table = {
        "int8, as shipped": {name: _shipped(out, p) for name, p in _held(parts)},
        "int8, no rules": {name: _plain(out, p) for name, p in _held(parts)},
        "int8, one order": _variant(out, config, parts, both_orders=False),
    }
    with tempfile.TemporaryDirectory() as name:
        export.export(model, Path(name) / "model.onnx", quantize=False)
        table["float, no rules"] = _variant(Path(name), config, parts, both_orders=True)
    config["figures"] = table["int8, as shipped"]
    _write(out, config)
    (out / "report.md").write_text(_report(table, document), "utf-8")


def _held(parts: Split) -> list[tuple[str, list[Pair]]]:
    return [("apart", parts.apart), ("random", parts.random)]


def _variant(
    folder: Path, config: Mapping[str, Any], parts: Split, *, both_orders: bool
) -> dict[str, Figures]:
    with tempfile.TemporaryDirectory() as name:
        other = Path(name)
        (other / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
        _write(other, {**config, "both_orders": both_orders})
        return {kind: _plain(other, pairs) for kind, pairs in _held(parts)}


def _write(folder: Path, config: Mapping[str, Any]) -> None:
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", "utf-8")


def platt(folder: Path, pairs: Sequence[Pair]) -> tuple[float, float]:
    """(scale, shift) that make the logits' logistic the observed frequency.

    Source: Platt 1999, "Probabilistic outputs for support vector machines".
    """
    logits = PairVerifier(folder, threads=2).logits([(p.text_a, p.text_b) for p in pairs])
    fitted = LogisticRegression(C=1e6).fit(logits[:, None], [p.label for p in pairs])
    return round(float(fitted.coef_[0, 0]), 4), round(float(fitted.intercept_[0]), 4)


def _plain(folder: Path, pairs: Sequence[Pair]) -> Figures:
    found = PairVerifier(folder, threads=2).logits([(p.text_a, p.text_b) for p in pairs])
    return measured(found.astype(np.float64), pairs)


def _shipped(folder: Path, pairs: Sequence[Pair]) -> Figures:
    """With rules and calibration; the calibration error is over 15 bins."""
    texts = [(p.text_a, p.text_b) for p in pairs]
    chances = np.array(PairVerifier(folder, threads=2).probabilities(texts))
    labels = np.array([p.label for p in pairs])
    sure = chances >= 0.9
    bins = np.minimum((chances * 15).astype(int), 14)
    gaps = [
        (bins == b).mean() * abs(chances[bins == b].mean() - labels[bins == b].mean())
        for b in np.unique(bins)
    ]
    return measured(chances, pairs) | {
        "ece": round(float(sum(gaps)), 4),
        "recall_at_chance_90": round(float(sure[labels == 1].mean()), 4),
        "precision_at_chance_90": round(float(labels[sure].mean()), 4) if sure.any() else 0.0,
    }


def measured(found: NDArray[np.float64], pairs: Sequence[Pair]) -> Figures:
    """Recalls, average precision and area of scores, rounded."""
    labels = np.array([p.label for p in pairs])
    return {
        "n": len(pairs),
        "recall_at_p90": round(figures.recall_at(labels, found, 0.90), 4),
        "recall_at_p95": round(figures.recall_at(labels, found, 0.95), 4),
        "average_precision": round(figures.average_precision(labels, found), 4),
        "auc": round(figures.area_under_roc(labels, found) or 0.0, 4),
    }


def _report(table: Mapping[str, Mapping[str, Figures]], document: Mapping[str, Any]) -> str:
    names = ["n", "recall_at_p90", "recall_at_p95", "average_precision", "auc"]
    lines = ["# The cache's pair classifier", "", f"| held out | variant | {' | '.join(names)} |"]
    lines.append("|---" * (len(names) + 2) + "|")
    for kind in ("apart", "random"):
        for variant, found in table.items():
            values = [str(found[kind][name]) for name in names]
            lines.append(f"| {kind} | {variant} | {' | '.join(values)} |")
    lines += [
        "",
        "`apart`: no question of it was trained on; `random`: pairs drawn at random from the rest.",
        "",
    ]
    shipped = table["int8, as shipped"]["apart"]
    more = [name for name in shipped if name not in names]
    lines += [f"- {name}, apart: {shipped[name]}" for name in more]
    lines += [f"- {name}: {value}" for name, value in document.items()]
    return "\n".join([*lines, ""])
