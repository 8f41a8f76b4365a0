"""The trained network and its memory as int8 ONNX."""

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from services.intent.training import graph, memory
from services.intent.training.memory import Memory
from services.intent.training.model import IntentModel


def build(model: IntentModel, kept: Memory) -> onnx.ModelProto:
    """The float graph: tokens → `intent`, `route` (log probabilities), `frustration` (logit)."""
    body = graph.Graph()
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
    return graph.finish(body, widths)


def export(model: IntentModel, kept: Memory, target: Path, *, quantize: bool = True) -> None:
    """Writes `target`; int8 weights per channel, the heads stay float.

    7-bit weights (`reduce_range`): on a CPU without VNNI, 8-bit products would saturate.
    """
    model.eval()
    if not quantize:
        onnx.save(build(model, kept), str(target))
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float.onnx"
        onnx.save(build(model, kept), str(plain))
        quantize_dynamic(
            plain,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=[
                f"{name}.{part}"
                for name in ("intent", "route", "frustration")
                for part in ("head", "told", "voted")
            ],
            op_types_to_quantize=["MatMul", "Attention", "Gather"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
