"""The pairs as tokens, and what is optimised on them, in random order of the pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from services.cache.pairs import Pair
from services.cache.training.model import PairModel
from services.cache.verifier import QUESTION_TOKENS
from shared.embeddings.wordpiece import minilm_tokenizer
from shared.training.batching import pad
from shared.training.fit import Step, fit


@dataclass(frozen=True)
class Recipe:
    """Knobs of a training run; the defaults are what RESULTS.md reports."""

    epochs: int = 1
    batch: int = 32
    encoder_rate: float = 1.2e-4
    head_rate: float = 6e-4
    layer_decay: float = 0.9  # each lower layer learns this much slower
    warmup: float = 0.06  # share of the steps
    weight_decay: float = 0.01
    smoothing: float = 0.03  # of the labels
    trust: float = 0.8  # in a label once one epoch is done; the rest is the network's own belief
    average: float = 0.998  # decay of the running mean of the weights per step
    most_swaps: int = 2500  # pairs of a file that swapping words adds
    most_closed: int = 8000  # pairs of a file that follow from others of it
    most_pairs: int = 1_000_000  # of one file: how much of the large ones a later run repeats
    apart_per_same: float = 1.5  # pairs across the blocks of a family for each pair within one
    group_copies: int = 2  # of the pairs that grouped questions make, in an epoch
    held_apart: int = 5000  # pairs whose questions are nowhere in training
    held_random: int = 3000
    seed: int = 13
    threads: int = 2
    checkpoint_steps: int = 100


class Encoded:
    """Pairs as token ids, either order."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        tokenizer = minilm_tokenizer()
        self._start, self._end = (tokenizer.token_to_id(name) for name in ("[CLS]", "[SEP]"))
        tokenizer.enable_truncation(QUESTION_TOKENS)
        sides = [[pair.text_a for pair in pairs], [pair.text_b for pair in pairs]]
        self._ids = [
            [e.ids for e in tokenizer.encode_batch(side, add_special_tokens=False)]
            for side in sides
        ]
        self.labels = torch.tensor([float(pair.label) for pair in pairs])
        self.lengths = [3 + len(a) + len(b) for a, b in zip(*self._ids, strict=True)]

    def batch(self, rows: Sequence[int], swapped: Sequence[bool]) -> tuple[Tensor, Tensor, Tensor]:
        """(ids, mask, segments), each [n, longest] int64; a swapped pair's b comes first."""
        ids, segments = [], []
        for row, turn in zip(rows, swapped, strict=True):
            a, b = self._ids[turn][row], self._ids[not turn][row]
            ids.append([self._start, *a, self._end, *b, self._end])
            segments.append([0] * (len(a) + 2) + [1] * (len(b) + 1))
        return *pad(ids), pad(segments)[0]


def loss_of(logits: Tensor, labels: Tensor, smoothing: float, trust: float) -> Tensor:
    """Cross-entropy with softened labels.

    `trust` below 1 mixes in what the network itself believes, so that wrong labels pull less.
    Source: Reed et al. 2015 (soft bootstrapping), arXiv:1412.6596.
    """
    target = labels * (1 - smoothing) + smoothing / 2
    target = trust * target + (1 - trust) * logits.detach().sigmoid()
    return functional.binary_cross_entropy_with_logits(logits, target)


def optimise(
    model: PairModel,
    data: Encoded,
    recipe: Recipe,
    checkpoint: Path,
    *,
    is_trained: bool,
    until_s: float,
) -> bool:
    """Trains in place; False: `until_s` (monotonic) came first, resume later.

    `is_trained`: the model has seen such pairs before, so that its own belief counts at once.
    """

    def loss(step: Step) -> Tensor:
        trust = recipe.trust if step.epoch or is_trained else 1.0
        logits = model(*data.batch(step.rows, [step.chance.random() < 0.5 for _ in step.rows]))
        return loss_of(logits, data.labels[step.rows], recipe.smoothing, trust)

    return fit(
        model,
        data.lengths,
        recipe,
        loss,
        checkpoint,
        epochs=recipe.epochs,
        run=f"{recipe} {data.lengths} {data.labels.tolist()}",
        slow=("encoder.", "segment"),
        until_s=until_s,
    )
