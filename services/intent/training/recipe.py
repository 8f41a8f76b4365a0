"""From labelled messages to a model folder."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from services.intent.classifier import OOS, OnnxClassifier, softmax
from services.intent.training import calibration, data, encoder, report
from services.intent.training.data import ROUTES, Message
from services.intent.training.export import export
from services.intent.training.loop import Encoded, Recipe, optimise, pad
from services.intent.training.model import IntentModel, set_prototypes

_OOS_COPIES = 4  # a hundred out-of-scope rows would drown among thousands


def encode(
    messages: Sequence[Message], intents: list[str], tokenizer: Tokenizer, max_tokens: int
) -> Encoded:
    """Token ids and label numbers."""
    tokenizer.enable_truncation(max_tokens)
    ids = [e.ids for e in tokenizer.encode_batch([m.text for m in messages])]
    known = {name: number for number, name in enumerate(intents)}
    return Encoded(
        ids,
        torch.tensor([known.get(m.intent or "", -1) for m in messages]),
        torch.tensor([ROUTES.index(m.route) if m.route else -1 for m in messages]),
        known.get(OOS, -1),
    )


def _start_at_prototypes(model: IntentModel, rows: Encoded) -> None:
    model.eval()
    pooled = []
    with torch.no_grad():
        for start in range(0, len(rows.ids), 64):
            pooled.append(model.pool(*pad(rows.ids[start : start + 64])))
    vectors = torch.cat(pooled)
    set_prototypes(model.intent, vectors, rows.intents)
    if model.route is not None:
        set_prototypes(model.route, vectors, rows.routes)


def _with_lora(model: Any) -> Any:
    """Rank-16 adapters on attention and feed-forward. Source: Hu et al. 2021, arXiv:2106.09685."""
    from peft import LoraConfig, get_peft_model

    targets = ["q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"]
    return get_peft_model(
        model, LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=targets)
    )


def _labels(folder: Path, intents: list[str], routes: bool, recipe: Recipe) -> dict[str, Any]:
    document: dict[str, Any] = {
        "intents": intents,
        "routes": list(ROUTES) if routes else [],
        "intent_temperature": 1.0,
        "route_temperature": 1.0,
        "oos_threshold": None,
        "max_tokens": recipe.max_tokens,
    }
    _write(folder, document)
    return document


def _write(folder: Path, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (folder / "labels.json").write_text(text + "\n", "utf-8")


def calibrate(folder: Path, document: dict[str, Any], dev: Sequence[Message]) -> None:
    """Temperatures and threshold from the logits of the exported int8 model itself."""
    intents, routes = OnnxClassifier(folder, threads=2).logits([m.text for m in dev])
    names = {name: number for number, name in enumerate(document["intents"])}
    known = np.array([names.get(m.intent or "", -1) for m in dev])
    some = known >= 0
    document["intent_temperature"] = calibration.fit_temperature(intents[some], known[some])
    if document["routes"]:
        ways = np.array([ROUTES.index(m.route) if m.route else -1 for m in dev])
        told = ways >= 0
        document["route_temperature"] = calibration.fit_temperature(routes[told], ways[told])
    elif OOS in names:
        chances = softmax(intents, document["intent_temperature"])
        inside = some & (known != names[OOS])
        score = 1 - np.delete(chances, names[OOS], axis=1).max(axis=1)
        document["oos_threshold"] = calibration.oos_threshold(score[inside])
    _write(folder, document)


def train(
    paths: Sequence[Path],
    out: Path,
    recipe: Recipe | None = None,
    *,
    dev_path: Path | None = None,
    test_path: Path | None = None,
    checkpoint: str = "minilm",
    lora: bool = False,
    resume: bool = False,
) -> dict[str, Any]:
    """Trains on `paths` and writes model.onnx, tokenizer.json, config.json, labels.json, report.md.

    Without `dev_path` a stratified share of the rows is held out. Returns the metrics.
    """
    recipe = recipe or Recipe()
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    state = out / "checkpoint.pt"
    if not resume:
        state.unlink(missing_ok=True)
    started_s = time.monotonic()
    rows = data.read_all(paths)
    kept, dev = (
        (rows, data.read(dev_path)) if dev_path else data.split(rows, recipe.dev_share, recipe.seed)
    )
    intents = sorted({m.intent for m in rows if m.intent})
    has_routes = any(m.route for m in rows)
    base, source = encoder.load(checkpoint)
    (out / "tokenizer.json").write_text(encoder.tokenizer_json(source), "utf-8")
    base.config.save_pretrained(out)
    width = base.config.dim
    model = IntentModel(
        _with_lora(base) if lora else base, width, len(intents), len(ROUTES) if has_routes else 0
    )
    kept = kept + [m for m in kept if m.intent == OOS] * (_OOS_COPIES - 1)
    encoded = encode(
        kept, intents, Tokenizer.from_file(str(out / "tokenizer.json")), recipe.max_tokens
    )
    _start_at_prototypes(model, encoded)
    if recipe.epochs:  # 0: class means of the untuned encoder, a baseline in seconds
        optimise(model, encoded, recipe, state)
    if lora:
        model.encoder = model.encoder.merge_and_unload()
    export(model, out / "model.onnx")
    document = _labels(out, intents, has_routes, recipe)
    calibrate(out, document, dev)
    document["trained_on"] = {path.name: data.sha256(path) for path in paths}
    document["seconds"] = round(time.monotonic() - started_s)
    document["metrics"] = {"dev": report.metrics(out, dev)}
    if test_path:
        document["metrics"]["test"] = report.metrics(out, data.read(test_path))
    document["metrics"]["dev_float"] = _float_metrics(model, out, document, dev)
    _write(out, document)
    report.write(out, document, data.read(test_path) if test_path else dev)
    state.unlink(missing_ok=True)
    return dict(document["metrics"])


def _float_metrics(
    model: IntentModel, out: Path, document: dict[str, Any], dev: Sequence[Message]
) -> dict[str, Any]:
    """The same dev rows with float weights: what int8 cost."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export(model, folder / "model.onnx", quantize=False)
        (folder / "tokenizer.json").write_bytes((out / "tokenizer.json").read_bytes())
        _write(folder, document)
        return report.metrics(folder, dev)
