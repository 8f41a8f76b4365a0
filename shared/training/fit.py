"""The optimisation that the intent model and the cache's classifier share.

Length-bucketed batches, layer-wise rates, a linear schedule, a running mean of the weights,
checkpoints.
"""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from shared.training.batching import batches
from shared.training.state import Averaged, Checkpoint


class Plan(Protocol):
    """The part of a recipe that is about optimising."""

    @property
    def batch(self) -> int: ...
    @property
    def encoder_rate(self) -> float: ...
    @property
    def head_rate(self) -> float: ...
    @property
    def layer_decay(self) -> float: ...  # each lower layer learns this much slower
    @property
    def warmup(self) -> float: ...  # share of the steps
    @property
    def weight_decay(self) -> float: ...
    @property
    def average(self) -> float: ...  # decay of the running mean of the weights per step
    @property
    def seed(self) -> int: ...
    @property
    def checkpoint_steps(self) -> int: ...


@dataclass(frozen=True)
class Step:
    """One batch. `chance` is drawn from the step's number alone, as torch's seed is."""

    rows: list[int]
    epoch: int  # from 0
    chance: random.Random


def fit(
    model: nn.Module,
    lengths: Sequence[int],
    plan: Plan,
    loss_of: Callable[[Step], Tensor],
    checkpoint: Path,
    *,
    epochs: int,
    run: str,
    slow: tuple[str, ...] = ("encoder.",),
    until_s: float = math.inf,
) -> bool:
    """Trains in place and leaves the averaged weights; goes on from `checkpoint` if it exists.

    Every step draws its randomness from its own number, so that an interrupted run ends with the
    weights an uninterrupted one has.

    Args:
        lengths: of the rows, in tokens.
        run: describes recipe and data; the checkpoint of another run is refused.
        slow: how the names of parameters begin that learn at the encoder's rate.
        until_s: on the monotonic clock. False is returned when it came first; resume later.
    """
    steps = epochs * -(-len(lengths) // plan.batch)
    optimizer = torch.optim.AdamW(parameter_groups(model, plan, slow), fused=True)
    warm = max(1, int(steps * plan.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm)))
    )
    averaged = Averaged(model, plan.average)
    kept = Checkpoint(checkpoint, run, model, optimizer, schedule, averaged)
    first, step = kept.restore(), 0
    model.train()
    with tqdm(total=steps, initial=first, unit="step", mininterval=5) as bar:
        for epoch in range(epochs):
            for rows in batches(lengths, plan.batch, random.Random(plan.seed + epoch)):
                step += 1
                if step <= first:
                    continue
                seed = plan.seed * 1_000_003 + step
                torch.manual_seed(seed)
                loss = loss_of(Step(rows, epoch, random.Random(seed)))
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                averaged.update(model)
                shown = {"epoch": f"{epoch + 1}/{epochs}", "loss": f"{loss.item():.3f}"}
                bar.set_postfix(shown, refresh=False)
                bar.update()
                late = time.monotonic() > until_s
                if late or step % plan.checkpoint_steps == 0 or step == steps:
                    kept.save(step)
                if late and step < steps:
                    return False
    model.load_state_dict(averaged.weights, strict=False)
    return True


def parameter_groups(
    model: nn.Module, plan: Plan, slow: tuple[str, ...]
) -> list[dict[str, object]]:
    """Heads fast, encoder slow, lower layers slower; word embeddings are frozen.

    With few rows most words are never seen; moving the others away from them costs accuracy.
    """
    depth = sum(1 for name, _ in model.named_modules() if name.endswith(".sa_layer_norm"))
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if name.endswith("word_embeddings.weight"):
            parameter.requires_grad = False
        if not parameter.requires_grad:
            continue
        rate = plan.head_rate
        if name.startswith(slow):
            layer = name.partition("layer.")[2].partition(".")[0]
            below = depth - 1 - int(layer) if layer.isdigit() else depth
            rate = plan.encoder_rate * plan.layer_decay**below
        decay = plan.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": group, "lr": rate, "weight_decay": decay}
        for (rate, decay), group in groups.items()
    ]
