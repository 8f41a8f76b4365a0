"""A trained encoder as an ONNX graph of fused operators, and that with int8 weights.

Written operator by operator instead of traced: the fused forms (Attention, BiasGelu) are what makes
a short message cheap, and no tracer's output has to be pattern-matched. SkipLayerNormalization is
left out on purpose: shared/embeddings/onnx.py. Source: onnxruntime docs/ContribOperators.md.
"""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor

FUSED = "com.microsoft"
_FUSED_OPERATORS = {"Attention", "BiasGelu"}


class Graph:
    """Nodes and constants, collected in order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: Tensor | NDArray[Any]) -> str:
        """A weight or a number under `name`."""
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """One operator with one output, whose name comes back."""
        domain = FUSED if operator in _FUSED_OPERATORS else ""
        node = helper.make_node(operator, inputs, [output], output, domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def add_many(self, operator: str, inputs: list[str], outputs: list[str], **more: Any) -> None:
        """One operator with several outputs."""
        self.nodes.append(helper.make_node(operator, inputs, outputs, outputs[0], **more))


def _embeddings(graph: Graph, part: Any, segment: Tensor | None) -> str:
    """Word plus position plus segment, normalised: [n, tokens, width]."""
    word = graph.constant("word", part.word_embeddings.weight)
    position = graph.constant("position", part.position_embeddings.weight)
    zero = graph.constant("zero", np.array([0]))
    one = graph.constant("one", np.array([1]))
    graph.constant("last", np.array([-1]))
    length = graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    positions = graph.add("Slice", [position, zero, length, zero, one], "positions")
    words = graph.add("Gather", [word, "input_ids"], "words")
    if segment is not None:
        words = _with_segments(graph, words, segment)
    summed = graph.add("Add", [words, positions], "summed")
    norm = part.LayerNorm
    scale = [
        graph.constant("embedded.gamma", norm.weight),
        graph.constant("embedded.beta", norm.bias),
    ]
    return graph.add("LayerNormalization", [summed, *scale], "embedded", axis=-1, epsilon=norm.eps)


def _with_segments(graph: Graph, words: str, segment: Tensor) -> str:
    second = graph.add("Cast", ["token_type_ids"], "second", to=TensorProto.FLOAT)
    second = graph.add("Unsqueeze", [second, "last"], "second_wide")
    added = graph.add("Mul", [second, graph.constant("segment", segment)], "segments")
    return graph.add("Add", [words, added], "words_in_segments")


def _skip_norm(graph: Graph, name: str, values: tuple[str, str], norm: Any, bias: Tensor) -> str:
    """LayerNorm(values[0] + bias + values[1])."""
    gamma = graph.constant(f"{name}.gamma", norm.weight)
    beta = graph.constant(f"{name}.beta", norm.bias)
    bias_name = graph.constant(f"{name}.bias", bias)
    biased = graph.add("Add", [values[0], bias_name], f"{name}.biased")
    summed = graph.add("Add", [biased, values[1]], f"{name}.summed")
    return graph.add("LayerNormalization", [summed, gamma, beta], name, axis=-1, epsilon=norm.eps)


def _layer(graph: Graph, name: str, layer: Any, states: str, heads: int) -> str:
    """One transformer block: [n, tokens, width] to the same."""
    attention, ffn = layer.attention, layer.ffn
    parts = (attention.q_lin, attention.k_lin, attention.v_lin)
    qkv = graph.constant(f"{name}.qkv.w", torch.cat([part.weight.T for part in parts], dim=1))
    bias = graph.constant(f"{name}.qkv.b", torch.cat([part.bias for part in parts]))
    mixed = graph.add(
        "Attention", [states, qkv, bias, "mask32"], f"{name}.attention", num_heads=heads
    )
    weight = graph.constant(f"{name}.out.w", attention.out_lin.weight.T)
    mixed = graph.add("MatMul", [mixed, weight], f"{name}.out")
    states = _skip_norm(
        graph, f"{name}.norm1", (mixed, states), layer.sa_layer_norm, attention.out_lin.bias
    )
    weight = graph.constant(f"{name}.up.w", ffn.lin1.weight.T)
    wide = graph.add("MatMul", [states, weight], f"{name}.up")
    bias = graph.constant(f"{name}.up.b", ffn.lin1.bias)
    wide = graph.add("BiasGelu", [wide, bias], f"{name}.gelu")
    weight = graph.constant(f"{name}.down.w", ffn.lin2.weight.T)
    narrow = graph.add("MatMul", [wide, weight], f"{name}.down")
    return _skip_norm(
        graph, f"{name}.norm2", (narrow, states), layer.output_layer_norm, ffn.lin2.bias
    )


def encode_tokens(graph: Graph, encoder: Any, segment: Tensor | None = None) -> str:
    """The state of each token: `input_ids`, `attention_mask` → [n, tokens, width].

    `segment` [width] is added to the words whose `token_type_ids` is 1.
    """
    states = _embeddings(graph, encoder.embeddings, segment)
    graph.add("Cast", ["attention_mask"], "mask32", to=TensorProto.INT32)
    for number, layer in enumerate(encoder.transformer.layer):
        states = _layer(graph, f"layer{number}", layer, states, encoder.config.n_heads)
    return states


def mean_of(graph: Graph, name: str, states: str, mask: str) -> str:
    """Mean of the states where `mask` [n, tokens] is 1: [n, width]; after `encode_tokens`."""
    weights = graph.add("Cast", [mask], f"{name}.float", to=TensorProto.FLOAT)
    weights = graph.add("Unsqueeze", [weights, "last"], f"{name}.wide")
    kept = graph.add("Mul", [states, weights], f"{name}.kept")
    total = graph.add("ReduceSum", [kept, "one"], f"{name}.total", keepdims=0)
    count = graph.add("ReduceSum", [weights, "one"], f"{name}.count", keepdims=0)
    return graph.add("Div", [total, count], name)


def finish(
    graph: Graph, name: str, inputs: Sequence[str], outputs: Mapping[str, int]
) -> onnx.ModelProto:
    """The model; inputs are [rows, tokens] int64, outputs [rows, columns] by name."""
    found = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", columns])
        for output, columns in outputs.items()
    ]
    taken = [
        helper.make_tensor_value_info(given, TensorProto.INT64, ["rows", "tokens"])
        for given in inputs
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    body = helper.make_graph(graph.nodes, name, taken, found, graph.constants)
    return helper.make_model(body, opset_imports=opsets, ir_version=9)


def save_int8(model: onnx.ModelProto, target: Path, *, keep_float: Sequence[str]) -> None:
    """Writes `target` with int8 weights per channel; the nodes named in `keep_float` stay as is.

    7-bit weights (`reduce_range`): on a CPU without VNNI, 8-bit products would saturate.
    """
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "float.onnx"
        onnx.save(model, str(plain))
        quantize_dynamic(
            plain,
            target,
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=list(keep_float),
            op_types_to_quantize=["MatMul", "Attention", "Gather"],
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
        )
