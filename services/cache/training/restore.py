"""A pair classifier out of what is kept of it: `weights.pt`, or the `model.onnx` that ships."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel

from services.cache.training.model import PairModel
from shared.training import encoder
from shared.training.quantized import QuantizedWeights

State = dict[str, Tensor]
# Our names and those that shared/training/graph.py and export.py give in the graph.
_AROUND = {
    "segment": "segment",
    "encoder.embeddings.word_embeddings.weight": "word",
    "encoder.embeddings.position_embeddings.weight": "position",
    "encoder.embeddings.LayerNorm.weight": "embedded.gamma",
    "encoder.embeddings.LayerNorm.bias": "embedded.beta",
    "hidden.bias": "hidden.b",
    "same.bias": "logit.b",
}
_IN_LAYER = {
    "attention.out_lin.bias": "norm1.bias",
    "sa_layer_norm.weight": "norm1.gamma",
    "sa_layer_norm.bias": "norm1.beta",
    "ffn.lin1.bias": "up.b",
    "ffn.lin2.bias": "norm2.bias",
    "output_layer_norm.weight": "norm2.gamma",
    "output_layer_norm.bias": "norm2.beta",
}
_TURNED = {"attention.out_lin": "out.w", "ffn.lin1": "up.w", "ffn.lin2": "down.w"}
_QKV = ("attention.q_lin", "attention.k_lin", "attention.v_lin")


def fresh_model() -> PairModel:
    """MiniLM's weights and a random head."""
    bert = AutoModel.from_pretrained(encoder.minilm_folder())
    types = bert.embeddings.token_type_embeddings.weight.detach()
    return PairModel(encoder.from_bert(bert), types[1] - types[0])


def model_of(state: State) -> PairModel:
    """The classifier with these weights."""
    model = fresh_model()
    model.load_state_dict(state)
    return model


def read_state(path: Path) -> State:
    """The weights in a `weights.pt`, or in an int8 `model.onnx` as floats."""
    if path.suffix == ".onnx":
        return _of_graph(QuantizedWeights(path))
    found: State = torch.load(path, weights_only=True)
    return found


def _of_graph(found: QuantizedWeights) -> State:
    state = {ours: torch.from_numpy(found[theirs].copy()) for ours, theirs in _AROUND.items()}
    for ours, theirs in (("hidden.weight", "hidden.w"), ("same.weight", "logit.w")):
        state[ours] = torch.from_numpy(found[theirs].T.copy())
    number = 0
    while f"layer{number}.qkv.w" in found:
        layer = _layer_of_graph(found, f"layer{number}.")
        state |= {f"encoder.transformer.layer.{number}.{name}": at for name, at in layer.items()}
        number += 1
    return state


def _layer_of_graph(found: QuantizedWeights, prefix: str) -> State:
    state = {
        ours: torch.from_numpy(found[prefix + theirs].copy()) for ours, theirs in _IN_LAYER.items()
    }
    for ours, theirs in _TURNED.items():
        state[f"{ours}.weight"] = torch.from_numpy(found[prefix + theirs].T.copy())
    weights = torch.from_numpy(found[f"{prefix}qkv.w"]).chunk(3, dim=1)
    biases = torch.from_numpy(found[f"{prefix}qkv.b"]).chunk(3)
    for name, weight, bias in zip(_QKV, weights, biases, strict=True):
        state |= {f"{name}.weight": weight.T.contiguous(), f"{name}.bias": bias.clone()}
    return state
