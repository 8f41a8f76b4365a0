"""The trained network and its memory as int8 ONNX."""

from pathlib import Path

import onnx

from services.intent.training import graph, memory
from services.intent.training.memory import Memory
from services.intent.training.model import IntentModel
from shared.training.graph import Graph, finish, save_int8


def build(model: IntentModel, kept: Memory) -> onnx.ModelProto:
    """The float graph: tokens → `intent`, `route` (log probabilities), `frustration` (logit) and
    `nearest` (cosines to the nearest messages in memory, descending)."""
    body = Graph()
    pooled = graph.encode(body, model.encoder)
    found = memory.find(body, kept, pooled)
    heads = {"intent": (model.intent, kept.intents)}
    if model.route is not None:
        heads["route"] = (model.route, kept.routes)
    widths = {}
    for name, (head, labels) in heads.items():
        memory.mix(body, name, graph.head_logits(body, name, head, pooled), found, labels)
        widths[name] = len(head.weight)
    if model.frustration is not None:
        graph.frustration_logit(body, model.frustration, pooled)
        widths["frustration"] = 1
    widths["nearest"] = memory.neighbours(kept)
    return finish(body, "intent", ("input_ids", "attention_mask"), widths)


def export(model: IntentModel, kept: Memory, target: Path, *, quantize: bool = True) -> None:
    """Writes `target`; int8 weights per channel, the heads stay float."""
    model.eval()
    built = build(model, kept)
    if not quantize:
        onnx.save(built, str(target))
        return
    heads = [
        f"{name}.{part}"
        for name in ("intent", "route", "frustration")
        for part in ("head", "told", "voted")
    ]
    save_int8(built, target, keep_float=heads)
