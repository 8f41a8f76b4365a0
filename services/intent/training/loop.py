"""The messages as tokens, and what is optimised on them."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from services.intent.training import losses
from services.intent.training.augment import noisy
from services.intent.training.model import IntentModel
from shared.training.batching import pad
from shared.training.fit import fit

SEEN_ROWS = 80_000  # messages shown in a run of the default recipe
LEAST_STEPS, MOST_EPOCHS = 1_000, 60  # a few hundred messages are seen more than 15 times


@dataclass(frozen=True)
class Recipe:
    """Knobs of a training run; the defaults are what RESULTS.md reports."""

    epochs: int | None = None  # None: from the number of rows
    batch: int = 32
    encoder_rate: float = 1.5e-4
    head_rate: float = 2e-3
    layer_decay: float = 0.9  # each lower layer learns this much slower
    warmup: float = 0.1  # share of the steps
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    route_weight: float = 1.0
    frustration_weight: float = 0.5
    outlier_weight: float = 0.2  # of synthetic out-of-scope vectors, where `oos` is a class
    contrast_weight: float = 0.0
    consistency_weight: float = 0.0  # above 0 each message is shown twice per step
    noise: float = 0.1  # share of messages with typing noise
    average: float = 0.998  # decay of the running mean of the weights per step
    max_tokens: int = 64
    again_rows: int = 6_000  # up to here a second training takes the dev rows in
    seed: int = 13
    threads: int = 2
    checkpoint_steps: int = 200

    def epochs_for(self, rows: int) -> int:
        """The epochs asked for, or at least 5, such that few rows are seen more often than many."""
        if self.epochs is not None:
            return self.epochs
        shown = max(rows, 1) * (2 if self.consistency_weight else 1)
        usual = min(15, max(5, round(SEEN_ROWS / shown)))
        return max(usual, min(MOST_EPOCHS, -(-LEAST_STEPS * self.batch // max(rows, 1))))

    def held_out(self, rows: int) -> float:
        """Share kept for calibration without a dev file: a tenth, 100–500 rows, at most a fifth."""
        return min(0.2, max(100.0, min(0.1 * rows, 500.0)) / max(rows, 1))

    def weights(self) -> losses.Weights:
        return losses.Weights(
            self.label_smoothing,
            self.route_weight,
            self.frustration_weight,
            self.outlier_weight,
            self.contrast_weight,
            self.consistency_weight,
        )


@dataclass(frozen=True)
class Encoded:
    """Messages with their labels; −1 (frustration: NaN) where unknown."""

    texts: list[str]
    lengths: list[int]  # in tokens
    intents: Tensor  # [n] int64
    routes: Tensor  # [n] int64
    frustration: Tensor  # [n] float32
    oos: int  # the class of out-of-scope messages, −1: none
    tokenizer: Tokenizer

    def labels(self, rows: Sequence[int]) -> losses.Labels:
        return losses.Labels(self.intents[rows], self.routes[rows], self.frustration[rows])


def step_loss(
    model: IntentModel, data: Encoded, rows: list[int], recipe: Recipe, chance: random.Random
) -> Tensor:
    """The loss of one batch; with a consistency weight, of two passes over it."""
    labels, weights = data.labels(rows), recipe.weights()
    passes = 2 if recipe.consistency_weight else 1
    loss, found = torch.zeros(()), []
    for _ in range(passes):
        texts = [noisy(data.texts[row], recipe.noise, chance) for row in rows]
        ids = [encoding.ids for encoding in data.tokenizer.encode_batch(texts)]
        found.append(model(*pad(ids)))
        loss = loss + losses.loss_of(model, found[-1], labels, data.oos, weights) / passes
    if passes == 2:
        apart = losses.consistency(found[0].intent, found[1].intent)
        loss = loss + recipe.consistency_weight * apart
    return loss


def optimise(model: IntentModel, data: Encoded, recipe: Recipe, checkpoint: Path) -> None:
    """Trains in place and leaves the averaged weights; goes on from `checkpoint` if it exists."""
    fit(
        model,
        data.lengths,
        recipe,
        lambda step: step_loss(model, data, step.rows, recipe, step.chance),
        checkpoint,
        epochs=recipe.epochs_for(len(data.texts)),
        run=f"{recipe} {data.texts}",
    )
