"""What a trained model can do, as numbers, a page and two pictures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.intent.classifier import OnnxClassifier, Scores
from services.intent.evaluate import expected_calibration_error, is_out_of_scope
from services.intent.training.data import Message


@dataclass(frozen=True)
class Judged:
    """Messages, each beside what a model says of it."""

    pairs: Sequence[tuple[Message, Scores]]

    @classmethod
    def of(cls, folder: Path, messages: Sequence[Message]) -> "Judged":
        """What the model in `folder` says now."""
        scores = OnnxClassifier(folder, threads=2).classify([m.text for m in messages])
        return cls(list(zip(messages, scores, strict=True)))


def metrics(judged: Judged) -> dict[str, Any]:
    """Shares in 0–1: intent accuracy and ECE over known in-scope rows, route ones if labelled."""
    pairs = judged.pairs
    fine = [(m, s) for m, s in pairs if m.intent and m.intent != "oos"]
    right = np.array([m.intent == s.intent for m, s in fine])
    found: dict[str, Any] = {
        "n": len(pairs),
        "intent_accuracy": round(float(right.mean()), 4),
        "intent_ece": round(
            expected_calibration_error([s.intent_confidence for _, s in fine], right.tolist()), 4
        ),
    }
    routed = [(m, s) for m, s in pairs if m.route]
    if routed:
        right = np.array([m.route == s.route for m, s in routed])
        sure = [s.route_confidence for _, s in routed]
        found["route_accuracy"] = round(float(right.mean()), 4)
        found["route_ece"] = round(expected_calibration_error(sure, right.tolist()), 4)
    outside = [s.out_of_scope for m, s in pairs if is_out_of_scope(m.intent or "")]
    if outside:
        inside = [
            s.out_of_scope for m, s in pairs if m.intent and not is_out_of_scope(m.intent or "")
        ]
        found["oos_recall"] = round(float(np.mean(outside)), 4)
        found["in_scope_refused"] = round(float(np.mean(inside)), 4)
    return found


def write(folder: Path, document: dict[str, Any], judged: Judged) -> None:
    """`report.md`, `calibration.png` and `confusions.png` beside the model."""
    pairs = [(m, s) for m, s in judged.pairs if m.intent]
    confused = Counter((m.intent, s.intent) for m, s in pairs if m.intent != s.intent)
    lines = ["# Intent model", "", "| rows | " + " | ".join(document["metrics"]) + " |"]
    lines.append("|---" * (len(document["metrics"]) + 1) + "|")
    for name in document["metrics"]["dev"]:
        values = [str(part.get(name, "–")) for part in document["metrics"].values()]
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    lines += ["", f"Trained in {document['seconds']} s.", "", "Most frequent confusions:", ""]
    lines += [f"- {count} × {true} → {said}" for (true, said), count in confused.most_common(15)]
    lines += ["", "![calibration](calibration.png) ![confusions](confusions.png)", ""]
    (folder / "report.md").write_text("\n".join(lines), "utf-8")
    sure = np.array([s.intent_confidence for _, s in pairs])
    _draw_calibration(folder, sure, np.array([m.intent == s.intent for m, s in pairs]))
    _draw_confusions(folder, confused.most_common(12))


def _draw_calibration(folder: Path, sure: Any, right: Any, bins: int = 10) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    index = np.minimum((sure * bins).astype(int), bins - 1)
    used = [b for b in range(bins) if (index == b).any()]
    figure, axes = pyplot.subplots(figsize=(4, 4))
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.plot(
        [sure[index == b].mean() for b in used], [right[index == b].mean() for b in used], "o-"
    )
    axes.set(xlabel="confidence", ylabel="accuracy", title="Calibration of the fine intent")
    figure.savefig(folder / "calibration.png", dpi=80, bbox_inches="tight")
    pyplot.close(figure)


def _draw_confusions(folder: Path, common: Sequence[tuple[tuple[Any, str], int]]) -> None:
    from matplotlib import pyplot

    names = [f"{true} → {said}" for (true, said), _ in reversed(common)]
    figure, axes = pyplot.subplots(figsize=(6, 4))
    axes.barh(names, [count for _, count in reversed(common)])
    axes.set(title="Most frequent confusions", xlabel="messages")
    figure.savefig(folder / "confusions.png", dpi=80, bbox_inches="tight")
    pyplot.close(figure)
