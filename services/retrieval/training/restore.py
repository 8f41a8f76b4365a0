"""Float weights from an int8 ONNX encoder that `export.py` made: to go on training it.

    python -m services.retrieval.training.restore --model model.onnx --out FOLDER

Each weight comes back to within half a step of its 8 bits; the vectors of the restored model are
those of the shipped one.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from transformers import AutoModel, BertModel

from shared.training.encoder import minilm_folder

_MATMULS = ("attention.output.dense", "intermediate.dense", "output.dense")  # in graph order

Floats = NDArray[np.float32]


class QuantizedWeights:
    """The initializers of a graph by name, quantized ones as floats."""

    def __init__(self, model: Path) -> None:
        self.graph = onnx.load(str(model)).graph
        self._arrays = {item.name: numpy_helper.to_array(item) for item in self.graph.initializer}

    def __getitem__(self, name: str) -> Floats:
        if name in self._arrays:
            return np.asarray(self._arrays[name], dtype=np.float32)
        whole = self._arrays[f"{name}_quantized"].astype(np.float32)
        zero = self._arrays[f"{name}_zero_point"].astype(np.float32)
        return np.asarray((whole - zero) * self._arrays[f"{name}_scale"], dtype=np.float32)

    def __contains__(self, name: str) -> bool:
        return name in self._arrays or f"{name}_quantized" in self._arrays

    def matmuls(self) -> list[str]:
        """Names of the weights of plain matrix products, in graph order."""
        return [node.input[1].removesuffix("_quantized")
                for node in self.graph.node if node.op_type == "MatMulInteger"]  # fmt: skip


def restored(model: Path) -> BertModel:
    """MiniLM with the weights of `model`."""
    found = QuantizedWeights(model)
    bert: BertModel = AutoModel.from_pretrained(minilm_folder())
    state = bert.state_dict()
    prefix = "m." if "m.embeddings.LayerNorm.weight" in found else "encoder."
    for name in state:
        if f"{prefix}{name}" in found:
            state[name] = torch.from_numpy(found[f"{prefix}{name}"].copy())
    products = iter(found.matmuls())
    for layer in range(bert.config.num_hidden_layers):
        at = f"encoder.layer.{layer}"
        for part in ("weight", "bias"):
            thirds = np.split(found[f"Attention_{layer}_qkv_{part}"], 3, axis=-1)
            for kind, values in zip(("query", "key", "value"), thirds, strict=True):
                state[f"{at}.attention.self.{kind}.{part}"] = torch.from_numpy(values.T.copy())
        for part in _MATMULS:
            weight = found[next(products)].T.copy()
            state[f"{at}.{part}.weight"] = torch.from_numpy(weight)
    bert.load_state_dict(state)
    return bert


def main() -> None:
    """Restore and save, with MiniLM's tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    restored(given.model).save_pretrained(given.out)
    for file in minilm_folder().glob("*token*"):
        shutil.copy(file, given.out / file.name)


if __name__ == "__main__":
    main()
