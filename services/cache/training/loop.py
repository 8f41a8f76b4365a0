"""The optimisation: length-bucketed batches in random order of the pair, averaging, checkpoints."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from services.cache.pairs import Pair
from services.cache.training.model import PairModel
from services.cache.verifier import QUESTION_TOKENS
from shared.embeddings.wordpiece import minilm_tokenizer
from shared.training.batching import batches, pad
from shared.training.state import Averaged, Checkpoint

CHECKPOINT_STEPS = 100


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


def parameter_groups(model: PairModel, recipe: Recipe) -> list[dict[str, object]]:
    """Head fast, encoder slow, lower layers slower; word embeddings are frozen."""
    depth = len(model.encoder.transformer.layer)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name.endswith("word_embeddings.weight"):
            parameter.requires_grad = False
            continue
        rate = recipe.head_rate
        if name.startswith(("encoder.", "segment")):
            layer = name.partition("layer.")[2].partition(".")[0]
            below = depth - 1 - int(layer) if layer.isdigit() else depth
            rate = recipe.encoder_rate * recipe.layer_decay**below
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": group, "lr": rate, "weight_decay": decay}
        for (rate, decay), group in groups.items()
    ]


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
    """Trains in place and leaves the averaged weights; goes on from `checkpoint` if it exists.

    Every step draws its randomness from its own number, so that an interrupted run ends with the
    weights an uninterrupted one has. False: `until_s` (monotonic) came first; resume later.
    """
    steps = recipe.epochs * -(-len(data.lengths) // recipe.batch)
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe), fused=True)
    warm = max(1, int(steps * recipe.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm)))
    )
    averaged = Averaged(model, recipe.average)
    run = f"{recipe} {data.lengths} {data.labels.tolist()}"
    kept = Checkpoint(checkpoint, run, model, optimizer, schedule, averaged)
    first, step = kept.restore(), 0
    model.train()
    with tqdm(total=steps, initial=first, unit="step", mininterval=5) as bar:
        for epoch in range(recipe.epochs):
            trust = recipe.trust if epoch or is_trained else 1.0
            for rows in batches(data.lengths, recipe.batch, random.Random(recipe.seed + epoch)):
                step += 1
                if step <= first:
                    continue
                seed = recipe.seed * 1_000_003 + step
                torch.manual_seed(seed)
                chance = random.Random(seed)
                logits = model(*data.batch(rows, [chance.random() < 0.5 for _ in rows]))
                loss = loss_of(logits, data.labels[rows], recipe.smoothing, trust)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                averaged.update(model)
                bar.update()
                bar.set_postfix(epoch=f"{epoch + 1}/{recipe.epochs}", loss=f"{loss.item():.3f}")
                late = time.monotonic() > until_s
                if step % CHECKPOINT_STEPS == 0 or late:
                    kept.save(step)
                if late and step < steps:
                    return False
    model.load_state_dict(averaged.weights, strict=False)
    return True
