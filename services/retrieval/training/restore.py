"""Float weights from an int8 ONNX encoder that `export.py` made: to go on training it.

    python -m services.retrieval.training.restore --model model.onnx --out FOLDER

Each weight comes back to within half a step of its 8 bits; the vectors of the restored model are
those of the shipped one.
"""

import argparse
import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, BertModel

from shared.training.encoder import minilm_folder
from shared.training.quantized import QuantizedWeights

_MATMULS = ("attention.output.dense", "intermediate.dense", "output.dense")  # in graph order


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
