"""Save a trained model as one int8 ONNX file: fused layers, dynamic 8-bit weights per channel.

python -m services.retrieval.training.export --model FOLDER --out model.onnx
"""

import argparse
import tempfile
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from torch import Tensor, nn
from transformers import AutoModel

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]
OPSET = 17
HEADS, HIDDEN = 12, 384  # of MiniLM
FLOAT = 1  # onnx.TensorProto.FLOAT


class TokenVectors(nn.Module):
    """An encoder that returns one vector per token: [n, tokens, 384]."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        )
        return states.last_hidden_state


def export(model: nn.Module, out: Path, output: str, dynamic: dict[int, str]) -> None:
    """Trace, fuse and quantize `model`; weights keep 7 bits, so that AVX2 never saturates."""
    example = torch.ones(2, 16, dtype=torch.long)
    fusions = FusionOptions("bert")
    fusions.enable_skip_layer_norm = False  # slow: shared/embeddings/onnx.py
    axes = {name: {0: "batch", 1: "sequence"} for name in INPUTS}
    with tempfile.TemporaryDirectory() as folder:
        raw, fused = Path(folder) / "raw.onnx", Path(folder) / "fused.onnx"
        torch.onnx.export(
            model.eval(), (example, example, example * 0), str(raw), input_names=INPUTS,
            output_names=[output], dynamic_axes={**axes, output: dynamic}, opset_version=OPSET,
            dynamo=False,
        )  # fmt: skip
        better = optimizer.optimize_model(
            str(raw),
            model_type="bert",
            num_heads=HEADS,
            hidden_size=HIDDEN,
            opt_level=0,
            optimization_options=fusions,
        )
        better.save_model_to_file(str(fused))
        quantize_dynamic(
            fused, out, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": FLOAT},
        )  # fmt: skip


def main() -> None:
    """Export an embedder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    encoder = AutoModel.from_pretrained(given.model, attn_implementation="eager")
    axes = {0: "batch", 1: "sequence"}
    export(TokenVectors(encoder), given.out, "last_hidden_state", axes)


if __name__ == "__main__":
    main()
