"""Nearest training messages, asked beside the heads inside the exported network.

A head draws one direction per class; a class with several ways of saying is better known by its
messages. Source: Khandelwal et al. 2020 (kNN-LM), arXiv:1911.00172.
"""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from services.intent.training.graph import Graph

NEIGHBOURS = 20
SHARPNESS = 20.0  # weight of a neighbour: exp(SHARPNESS × (cosine − 1))
SHARE = 0.5  # of the neighbours in the final probability; 0.3–0.7 were alike on banking77
LARGEST = 15_000  # messages kept; 5.8 MB as int8
_FLOOR = 1e-5  # keeps the logarithm finite


@dataclass(frozen=True)
class Memory:
    """Unit vectors [n, width] and their labels [n], −1 where unknown."""

    vectors: Tensor
    intents: Tensor
    routes: Tensor

    def capped(self, seed: int) -> "Memory":
        """At most LARGEST rows, drawn at random."""
        if len(self.vectors) <= LARGEST:
            return self
        rows = sorted(random.Random(seed).sample(range(len(self.vectors)), LARGEST))
        return Memory(self.vectors[rows], self.intents[rows], self.routes[rows])

    def joined(self, other: "Memory") -> "Memory":
        return Memory(
            torch.cat([self.vectors, other.vectors]),
            torch.cat([self.intents, other.intents]),
            torch.cat([self.routes, other.routes]),
        )


def neighbours(memory: Memory) -> int:
    """How many messages are asked."""
    return min(NEIGHBOURS, len(memory.vectors))


def find(graph: Graph, memory: Memory, pooled: str) -> tuple[str, str]:
    """(weights, rows) of the nearest messages, each [n, NEIGHBOURS]."""
    near = graph.add("MatMul", [pooled, graph.constant("memory", memory.vectors.T)], "near")
    k = graph.constant("neighbours", np.array([neighbours(memory)]))
    graph.add_many("TopK", [near, k], ["nearest", "nearest.rows"], axis=1)
    one = graph.constant("near.one", np.array(1, np.float32))
    gap = graph.add("Sub", ["nearest", one], "near.gap")
    sharp = graph.constant("sharpness", np.array(SHARPNESS, np.float32))
    scaled = graph.add("Mul", [gap, sharp], "near.scaled")
    return graph.add("Exp", [scaled], "near.weights"), "nearest.rows"


def mix(graph: Graph, name: str, logits: str, found: tuple[str, str], labels: Tensor) -> None:
    """Output `name`: the logarithm of the head's probabilities mixed with the neighbours'."""
    weights, rows = found
    classes = graph.constant(f"{name}.labels", labels.clamp(min=0))
    known = graph.constant(f"{name}.known", (labels >= 0).float())
    told = graph.add("Gather", [known, rows], f"{name}.told")
    votes = graph.add("Mul", [weights, told], f"{name}.votes")
    voted = graph.add("Gather", [classes, rows], f"{name}.voted")
    zero = graph.constant(f"{name}.zero", np.array(0, np.float32))
    empty = graph.add("Mul", [logits, zero], f"{name}.empty")
    sums = graph.add(
        "ScatterElements", [empty, voted, votes], f"{name}.sums", axis=1, reduction="add"
    )
    last = graph.constant(f"{name}.last", np.array([1]))
    total = graph.add("ReduceSum", [votes, last], f"{name}.total")
    tiny = graph.constant(f"{name}.tiny", np.array(1e-9, np.float32))
    total = graph.add("Add", [total, tiny], f"{name}.positive")
    shares = graph.add("Div", [sums, total], f"{name}.shares")
    chances = graph.add("Softmax", [logits], f"{name}.chances", axis=1)
    near = graph.constant(f"{name}.share", np.array(SHARE, np.float32))
    own = graph.constant(f"{name}.rest", np.array(1 - SHARE, np.float32))
    shares = graph.add("Mul", [shares, near], f"{name}.near")
    chances = graph.add("Mul", [chances, own], f"{name}.own")
    mixed = graph.add("Add", [shares, chances], f"{name}.mixed")
    floor = graph.constant(f"{name}.floor", np.array(_FLOOR, np.float32))
    mixed = graph.add("Add", [mixed, floor], f"{name}.floored")
    graph.add("Log", [mixed], name)
