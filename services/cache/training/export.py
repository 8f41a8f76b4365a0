"""The trained pair classifier as ONNX: tokens and segments → `same`, one logit per pair."""

from pathlib import Path

import onnx

from services.cache.training.model import PairModel
from shared.training.graph import Graph, encode_tokens, finish, mean_of, save_int8

_INPUTS = ("input_ids", "attention_mask", "token_type_ids")


def build(model: PairModel) -> onnx.ModelProto:
    """The float graph."""
    graph = Graph()
    states = encode_tokens(graph, model.encoder, model.segment)
    graph.add("Sub", ["attention_mask", "token_type_ids"], "first")
    a = mean_of(graph, "a", states, "first")
    b = mean_of(graph, "b", states, "token_type_ids")
    start = graph.add("Slice", [states, "zero", "one", "one"], "start")
    start = graph.add("Squeeze", [start, "one"], "start.row")
    summed = graph.add("Add", [a, b], "summed_means")
    apart = graph.add("Abs", [graph.add("Sub", [a, b], "difference")], "apart")
    product = graph.add("Mul", [a, b], "product")
    seen = graph.add("Concat", [start, summed, apart, product], "seen", axis=-1)
    hidden = _linear(graph, "hidden", seen, model.hidden)
    bias = graph.constant("hidden.b", model.hidden.bias)
    hidden = graph.add("BiasGelu", [hidden, bias], "hidden.gelu")
    logit = _linear(graph, "logit", hidden, model.same)
    graph.add("Add", [logit, graph.constant("logit.b", model.same.bias)], "same")
    return finish(graph, "pairs", _INPUTS, {"same": 1})


def _linear(graph: Graph, name: str, values: str, layer: object) -> str:
    """The product alone, without the bias."""
    weight = graph.constant(f"{name}.w", layer.weight.T)  # type: ignore[attr-defined]
    return graph.add("MatMul", [values, weight], f"{name}.head")


def export(model: PairModel, target: Path, *, quantize: bool = True) -> None:
    """Writes `target`; int8 weights per channel, the head stays float: small, and it decides."""
    model.eval()
    built = build(model)
    if quantize:
        save_int8(built, target, keep_float=("hidden.head", "logit.head"))
    else:
        onnx.save(built, str(target))
