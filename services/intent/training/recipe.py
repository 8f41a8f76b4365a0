"""From labelled messages to a model folder."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from services.intent.training import calibration, data, report
from services.intent.training.data import Message
from services.intent.training.export import export
from services.intent.training.loop import Recipe
from services.intent.training.memory import Memory
from services.intent.training.report import Judged
from services.intent.training.trainer import Trainer

_CHECKPOINTS = ("checkpoint.pt", "checkpoint-again.pt")


@dataclass(frozen=True)
class Source:
    """What to train on. Without `dev` a stratified share of `train` is held out instead."""

    train: Sequence[Path]
    dev: Path | None = None
    test: Path | None = None

    def rows(self, recipe: Recipe) -> tuple[list[Message], list[Message]]:
        """(train, dev).

        Raises:
            ValueError: a bad row, or too few messages for any to be held out.
        """
        rows = data.read_all(self.train)
        if self.dev is not None:
            return rows, data.read(self.dev)
        kept, held = data.split(rows, recipe.held_out(len(rows)), recipe.seed)
        if not any(message.intent for message in held):
            raise ValueError("an intent needs at least three messages, so that one can be held out")
        return kept, held


@dataclass(frozen=True)
class _Run:
    """What both trainings of a run share; `every` row's labels are known to the network."""

    every: Sequence[Message]
    out: Path
    recipe: Recipe
    start: str
    lora: bool

    def fitted(self, rows: Sequence[Message], checkpoint: str) -> Trainer:
        """A network trained on `rows`."""
        torch.manual_seed(self.recipe.seed)
        trainer = Trainer(self.every, self.out, self.recipe, self.start)
        trainer.fit(rows, lora=self.lora, checkpoint=checkpoint)
        return trainer


def train(
    source: Source,
    out: Path,
    recipe: Recipe,
    *,
    checkpoint: str = "minilm",
    lora: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """Writes model.onnx, tokenizer.json, config.json, labels.json and the report to `out`.

    The dev rows choose temperatures and threshold while the network has never seen them. Then they
    are put to use: few rows are trained on once more with them, many only let them into the
    memory. Returns the metrics; `dev` is of the network that had not seen dev.
    """
    torch.set_num_threads(recipe.threads)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        _forget(out)
    started_s = time.monotonic()
    rows, dev = source.rows(recipe)
    run = _Run([*rows, *dev], out, recipe, checkpoint, lora)
    trainer = run.fitted(rows, _CHECKPOINTS[0])
    document = trainer.document()
    document["trained_on"] = {path.name: data.sha256(path) for path in source.train}
    own = trainer.memory(rows)
    judged = _calibrated(trainer, own, document, dev)
    document["metrics"] = {"dev": report.metrics(judged)}
    document["metrics"]["dev_float"] = report.metrics(_float(trainer, own, document, dev))
    if len(run.every) <= recipe.again_rows and recipe.epochs != 0:
        trainer = run.fitted(run.every, _CHECKPOINTS[1])
        own = trainer.memory(run.every)
    else:
        own = own.joined(trainer.memory(dev))
    export(trainer.model, own.capped(recipe.seed), out / "model.onnx")
    document["seconds"] = round(time.monotonic() - started_s)
    if source.test:
        judged = Judged.of(out, data.read(source.test))
        document["metrics"]["test"] = report.metrics(judged)
    _write(out, document)
    report.write(out, document, judged)
    _forget(out)
    return dict(document["metrics"])


def _calibrated(
    trainer: Trainer, memory: Memory, document: dict[str, Any], dev: Sequence[Message]
) -> Judged:
    """Exports, calibrates `document` on dev and says what the model then says of dev."""
    export(trainer.model, memory.capped(trainer.recipe.seed), trainer.out / "model.onnx")
    _write(trainer.out, document)
    calibration.calibrate(trainer.out, document, dev)
    _write(trainer.out, document)
    return Judged.of(trainer.out, dev)


def _float(
    trainer: Trainer, memory: Memory, document: dict[str, Any], dev: Sequence[Message]
) -> Judged:
    """The same dev rows with float weights: what int8 cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = memory.capped(trainer.recipe.seed)
        export(trainer.model, kept, folder / "model.onnx", quantize=False)
        (folder / "tokenizer.json").write_bytes((trainer.out / "tokenizer.json").read_bytes())
        _write(folder, document)
        return Judged.of(folder, dev)


def _write(folder: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "labels.json").write_text(text + "\n", "utf-8")


def _forget(folder: Path) -> None:
    for name in _CHECKPOINTS:
        (folder / name).unlink(missing_ok=True)
