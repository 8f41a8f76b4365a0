"""The intent network's parts as nodes of an ONNX graph; its encoder: shared/training/graph.py."""

from typing import Any

from services.intent.training.model import CosineHead
from shared.training.graph import Graph, encode_tokens, mean_of


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
    """The pooled vector of each message: mean over real tokens, unit length, [n, width]."""
    mean = mean_of(graph, "mean", encode_tokens(graph, encoder), "attention_mask")
    return graph.add("LpNormalization", [mean], "pooled", axis=-1, p=2)
