"""From labelled messages to a model folder."""

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from services.intent.classifier import OOS
from services.intent.training import calibration, data, report
from services.intent.training.data import ROUTES, Message
from services.intent.training.export import export
from services.intent.training.loop import Encoded, Recipe, optimise
from services.intent.training.memory import Memory
from services.intent.training.model import IntentModel, set_prototypes
from shared.training import encoder
from shared.training.batching import pad

_OOS_COPIES = 4  # a hundred out-of-scope rows would drown among thousands


@dataclass(frozen=True)
class Source:
    """What to train on. Without `dev` a stratified share of `train` is held out instead."""

    train: Sequence[Path]
    dev: Path | None = None
    test: Path | None = None

    def rows(self, recipe: Recipe) -> tuple[list[Message], list[Message]]:
        """(train, dev)."""
        rows = data.read_all(self.train)
        if self.dev is not None:
            return rows, data.read(self.dev)
        return data.split(rows, recipe.dev_share, recipe.seed)


class Trainer:
    """One run: the network, its labels and the folder it is written to."""

    def __init__(self, rows: Sequence[Message], out: Path, recipe: Recipe, checkpoint: str) -> None:
        self.out, self.recipe = out, recipe
        self.intents = sorted({m.intent for m in rows if m.intent})
        self.has_routes = any(m.route for m in rows)
        base, source = encoder.load(checkpoint)
        base.config.save_pretrained(out)
        (out / "tokenizer.json").write_text(encoder.tokenizer_json(source), "utf-8")
        self.tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
        self.tokenizer.enable_truncation(recipe.max_tokens)
        self.model = IntentModel(
            base,
            base.config.dim,
            len(self.intents),
            len(ROUTES) if self.has_routes else 0,
            frustration=any(m.frustration is not None for m in rows),
        )

    def encoded(self, messages: Sequence[Message]) -> Encoded:
        """Texts and label numbers."""
        texts = [m.text for m in messages]
        known = {name: number for number, name in enumerate(self.intents)}
        unknown = float("nan")
        return Encoded(
            texts,
            [len(e.ids) for e in self.tokenizer.encode_batch(texts)],
            torch.tensor([known.get(m.intent or "", -1) for m in messages]),
            torch.tensor([ROUTES.index(m.route) if m.route else -1 for m in messages]),
            torch.tensor([unknown if m.frustration is None else m.frustration for m in messages]),
            known.get(OOS, -1),
            self.tokenizer,
        )

    def vectors(self, rows: Encoded) -> Tensor:
        """The pooled vector of each row as the network is now: [n, width]."""
        self.model.eval()
        found = torch.zeros(len(rows.texts), self.model.intent.weight.shape[1])
        order = sorted(range(len(rows.texts)), key=lambda row: rows.lengths[row])
        with torch.no_grad():
            for start in range(0, len(order), 64):
                part = order[start : start + 64]
                texts = [rows.texts[row] for row in part]
                ids = [encoding.ids for encoding in self.tokenizer.encode_batch(texts)]
                found[part] = self.model.pool(*pad(ids))
        return found

    def memory(self, messages: Sequence[Message]) -> Memory:
        """The messages that carry a label of their own, as the network sees them now."""
        rows = self.encoded([m for m in messages if m.intent or m.route])
        return Memory(self.vectors(rows), rows.intents, rows.routes)

    def fit(self, messages: Sequence[Message], *, lora: bool) -> None:
        """Prototypes first, then the optimisation; 0 epochs leave the prototypes."""
        more = [m for m in messages if m.intent == OOS] * (_OOS_COPIES - 1)
        rows = self.encoded([*messages, *more])
        vectors = self.vectors(rows)
        set_prototypes(self.model.intent, vectors, rows.intents)
        if self.model.route is not None:
            set_prototypes(self.model.route, vectors, rows.routes)
        if self.recipe.epochs == 0:
            return
        if lora:
            self.model.encoder = _with_lora(self.model.encoder)
        optimise(self.model, rows, self.recipe, self.out / "checkpoint.pt")
        if lora:
            self.model.encoder = self.model.encoder.merge_and_unload()

    def document(self) -> dict[str, Any]:
        """labels.json before calibration."""
        return {
            "intents": self.intents,
            "routes": list(ROUTES) if self.has_routes else [],
            "intent_temperature": 1.0,
            "route_temperature": 1.0,
            "frustration_temperature": 1.0,
            "oos_threshold": None,
            "max_tokens": self.recipe.max_tokens,
        }


def _with_lora(model: Any) -> Any:
    """Rank-16 adapters on attention and feed-forward. Source: Hu et al. 2021, arXiv:2106.09685."""
    from peft import LoraConfig, get_peft_model

    targets = ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"]
    return get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=targets)
    )


def _write(folder: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "labels.json").write_text(text + "\n", "utf-8")


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

    The dev rows choose temperatures and threshold while the network has never seen them; then they
    join its memory, so that no labelled message is wasted. Returns the metrics.
    """
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / "checkpoint.pt").unlink(missing_ok=True)
    started_s = time.monotonic()
    rows, dev = source.rows(recipe)
    trainer = Trainer([*rows, *dev], out, recipe, checkpoint)
    trainer.fit(rows, lora=lora)
    document = trainer.document()
    document["trained_on"] = {path.name: data.sha256(path) for path in source.train}
    document["metrics"] = _calibrated(trainer, document, rows, dev)
    document["seconds"] = round(time.monotonic() - started_s)
    if source.test:
        document["metrics"]["test"] = report.metrics(out, data.read(source.test))
    _write(out, document)
    report.write(out, document, data.read(source.test) if source.test else dev)
    (out / "checkpoint.pt").unlink(missing_ok=True)
    return dict(document["metrics"])


def _calibrated(
    trainer: Trainer, document: dict[str, Any], rows: Sequence[Message], dev: Sequence[Message]
) -> dict[str, Any]:
    """Exports, calibrates on dev, measures dev, then exports again with dev in the memory."""
    own = trainer.memory(rows)
    export(trainer.model, own.capped(trainer.recipe.seed), trainer.out / "model.onnx")
    _write(trainer.out, document)
    calibration.calibrate(trainer.out, document, dev)
    _write(trainer.out, document)
    measured = {"dev": report.metrics(trainer.out, dev)}
    measured["dev_float"] = _float_metrics(trainer, own, document, dev)
    kept = own.joined(trainer.memory(dev)).capped(trainer.recipe.seed)
    export(trainer.model, kept, trainer.out / "model.onnx")
    return measured


def _float_metrics(
    trainer: Trainer, memory: Memory, document: dict[str, Any], dev: Sequence[Message]
) -> dict[str, Any]:
    """The same dev rows with float weights: what int8 cost."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(trainer.model, memory, folder / "model.onnx", quantize=False)
        (folder / "tokenizer.json").write_bytes((trainer.out / "tokenizer.json").read_bytes())
        _write(folder, document)
        return report.metrics(folder, dev)
