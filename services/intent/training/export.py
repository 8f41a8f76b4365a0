"""The trained network as int8 ONNX."""

import tempfile
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from services.intent.training.graph import build
from services.intent.training.model import IntentModel


def export(model: IntentModel, target: Path, *, quantize: bool = True) -> None:
    """Writes `target`; int8 weights per channel, the heads stay float.

    7-bit weights (`reduce_range`): on a CPU without VNNI, 8-bit products would saturate.
    """
    model.eval()
    if not quantize:
        onnx.save(build(model), str(target))
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float.onnx"
        onnx.save(build(model), str(plain))
        quantize_dynamic(
            plain,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=["MatMul", "Attention", "Gather"],
            nodes_to_exclude=["intent", "route"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
