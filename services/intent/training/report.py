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
    figure, axes = pyplot.subplots(figsize=(4.5, 4.5))
    shares = np.bincount(index, minlength=bins) / len(index)
    axes.bar((np.arange(bins) + 0.5) / bins, shares, 0.9 / bins, color="#dddddd", label="messages")
    axes.plot([0, 1], [0, 1], ":", color="grey", label="ideal")
    means = [(sure[index == b].mean(), right[index == b].mean()) for b in used]
    axes.plot(*zip(*means, strict=True), "o-", label="measured")
    error = expected_calibration_error(sure.tolist(), right.tolist())
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy; share of messages")
    axes.set_title(f"Calibration of the fine intent (error {error:.1%}, n = {len(sure)})")
    axes.title.set_fontsize(10)
    axes.legend(loc="upper left")
    _save(figure, folder / "calibration.png")


def _draw_confusions(folder: Path, common: Sequence[tuple[tuple[Any, str], int]]) -> None:
    from matplotlib import pyplot
    from matplotlib.ticker import MaxNLocator

    names = [f"{true} → {said}" for (true, said), _ in reversed(common)]
    figure, axes = pyplot.subplots(figsize=(7, max(1.5, 0.35 * len(names) + 1)))
    bars = axes.barh(names, [count for _, count in reversed(common)])
    axes.bar_label(bars, padding=3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Most frequent confusions: meant → understood", xlabel="messages")
    axes.margins(x=0.08)
    _save(figure, folder / "confusions.png")


def _save(figure: Any, path: Path) -> None:
    from matplotlib import pyplot

    figure.savefig(path, dpi=90, bbox_inches="tight")
    pyplot.close(figure)
