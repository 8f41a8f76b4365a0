"""The trained network as an ONNX graph of fused operators.

Written operator by operator instead of traced: the fused forms (Attention, SkipLayerNormalization,
BiasGelu) are what makes a short message cheap, and no tracer's output has to be pattern-matched.
Source: onnxruntime docs/ContribOperators.md.
"""

from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from services.intent.training.model import CosineHead

FUSED = "com.microsoft"
_FUSED_OPERATORS = {"Attention", "SkipLayerNormalization", "BiasGelu"}


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


def _embeddings(graph: Graph, part: Any) -> str:
    """Word plus position, normalised: [n, tokens, width]."""
    word = graph.constant("word", part.word_embeddings.weight)
    position = graph.constant("position", part.position_embeddings.weight)
    zero = graph.constant("zero", np.array([0]))
    one = graph.constant("one", np.array([1]))
    length = graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    positions = graph.add("Slice", [position, zero, length, zero, one], "positions")
    words = graph.add("Gather", [word, "input_ids"], "words")
    summed = graph.add("Add", [words, positions], "summed")
    norm = part.LayerNorm
    scale = [
        graph.constant("embedded.gamma", norm.weight),
        graph.constant("embedded.beta", norm.bias),
    ]
    return graph.add("LayerNormalization", [summed, *scale], "embedded", axis=-1, epsilon=norm.eps)


def _skip_norm(graph: Graph, name: str, values: tuple[str, str], norm: Any, bias: Tensor) -> str:
    """LayerNorm(values[0] + bias + values[1])."""
    gamma = graph.constant(f"{name}.gamma", norm.weight)
    beta = graph.constant(f"{name}.beta", norm.bias)
    inputs = [*values, gamma, beta, graph.constant(f"{name}.bias", bias)]
    return graph.add("SkipLayerNormalization", inputs, name, epsilon=norm.eps)


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


def _pooled(graph: Graph, states: str) -> str:
    """Mean over real tokens, unit length: [n, width]."""
    last = graph.constant("last", np.array([-1]))
    mask = graph.add("Cast", ["attention_mask"], "mask_float", to=TensorProto.FLOAT)
    mask = graph.add("Unsqueeze", [mask, last], "mask_wide")
    kept = graph.add("Mul", [states, mask], "kept")
    total = graph.add("ReduceSum", [kept, "one"], "total", keepdims=0)
    count = graph.add("ReduceSum", [mask, "one"], "count", keepdims=0)
    mean = graph.add("Div", [total, count], "mean")
    return graph.add("LpNormalization", [mean], "pooled", axis=-1, p=2)


def head_logits(graph: Graph, name: str, head: CosineHead, pooled: str) -> str:
    """Logits [n, labels]; stays float, it is small and decides."""
    weight = graph.constant(f"{name}.w", head.matrix().T)
    return graph.add("MatMul", [pooled, weight], f"{name}.head")


def frustration_logit(graph: Graph, head: Any, pooled: str) -> str:
    """Logit [n, 1] of an angry message."""
    weight = graph.constant("frustration.w", head.weight.T)
    product = graph.add("MatMul", [pooled, weight], "frustration.head")
    bias = graph.constant("frustration.b", head.bias)
    return graph.add("Add", [product, bias], "frustration")


def encode(graph: Graph, encoder: Any) -> str:
    """The pooled vector of each message: `input_ids`, `attention_mask` → [n, width]."""
    states = _embeddings(graph, encoder.embeddings)
    graph.add("Cast", ["attention_mask"], "mask32", to=TensorProto.INT32)
    for number, layer in enumerate(encoder.transformer.layer):
        states = _layer(graph, f"layer{number}", layer, states, encoder.config.n_heads)
    return _pooled(graph, states)


def finish(graph: Graph, widths: dict[str, int]) -> onnx.ModelProto:
    """The model with one output per head: name → columns."""
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["messages", width])
        for name, width in widths.items()
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["messages", "tokens"])
        for name in ("input_ids", "attention_mask")
    ]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(FUSED, 1)]
    body = helper.make_graph(graph.nodes, "intent", inputs, outputs, graph.constants)
    return helper.make_model(body, opset_imports=opsets, ir_version=9)
