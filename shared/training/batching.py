"""Batches of token ids of similar length."""

import random
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def pad(ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """(ids, mask), each [n, longest] int64."""
    width = max(len(row) for row in ids)
    padded = torch.tensor([[*row, *[0] * (width - len(row))] for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return padded, mask


def batches(lengths: Sequence[int], size: int, chance: random.Random) -> Iterator[list[int]]:
    """Rows in random batches of similar length: sorted within pools of 50 batches."""
    order = list(range(len(lengths)))
    chance.shuffle(order)
    found: list[list[int]] = []
    for start in range(0, len(order), size * 50):
        pool = sorted(order[start : start + size * 50], key=lambda i: lengths[i])
        found += [pool[i : i + size] for i in range(0, len(pool), size)]
    chance.shuffle(found)
    yield from found
