"""The optimisation: length-bucketed batches, layer-wise rates, weight averaging, checkpoints."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from services.intent.training.model import IntentModel


@dataclass(frozen=True)
class Recipe:
    """Knobs of a training run; the defaults are what RESULTS.md reports."""

    epochs: int = 6
    batch: int = 32
    encoder_rate: float = 1.5e-4
    head_rate: float = 2e-3
    layer_decay: float = 0.9  # each lower layer learns this much slower
    warmup: float = 0.1  # share of the steps
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    route_weight: float = 1.0
    outlier_weight: float = 0.2  # of synthetic out-of-scope vectors, where `oos` is a class
    average: float = 0.995  # decay of the running mean of the weights per step
    max_tokens: int = 64
    dev_share: float = 0.1
    seed: int = 13
    threads: int = 2


@dataclass(frozen=True)
class Encoded:
    """Token ids of each message and its labels; −1: unknown."""

    ids: list[list[int]]
    intents: Tensor  # [n] int64
    routes: Tensor  # [n] int64
    oos: int  # the class of out-of-scope messages, −1: none


def pad(ids: list[list[int]]) -> tuple[Tensor, Tensor]:
    """(ids, mask), each [n, longest] int64."""
    width = max(len(row) for row in ids)
    padded = torch.tensor([row + [0] * (width - len(row)) for row in ids])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in ids])
    return padded, mask


def batches(data: Encoded, size: int, chance: random.Random) -> Iterator[list[int]]:
    """Rows in random batches of similar length: sorted within pools of 50 batches."""
    order = list(range(len(data.ids)))
    chance.shuffle(order)
    found: list[list[int]] = []
    for start in range(0, len(order), size * 50):
        pool = sorted(order[start : start + size * 50], key=lambda i: len(data.ids[i]))
        found += [pool[i : i + size] for i in range(0, len(pool), size)]
    chance.shuffle(found)
    yield from found


def parameter_groups(model: IntentModel, recipe: Recipe) -> list[dict[str, object]]:
    """Heads fast, encoder slow, lower layers slower; word embeddings are frozen.

    With few rows most words are never seen; moving the others away from them costs accuracy.
    """
    depth = sum(1 for name, _ in model.named_modules() if name.endswith(".sa_layer_norm"))
    groups: list[dict[str, object]] = []
    for name, parameter in model.named_parameters():
        if name.endswith("word_embeddings.weight"):
            parameter.requires_grad = False
        if not parameter.requires_grad:
            continue
        rate = recipe.head_rate
        if name.startswith("encoder."):
            layer = name.partition("layer.")[2].partition(".")[0]
            below = depth - 1 - int(layer) if layer.isdigit() else depth
            rate = recipe.encoder_rate * recipe.layer_decay**below
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.append({"params": [parameter], "lr": rate, "weight_decay": decay})
    return groups


def loss_of(model: IntentModel, data: Encoded, rows: list[int], recipe: Recipe) -> Tensor:
    """Cross-entropy of both heads where labels are known, plus synthetic outliers."""
    pooled, intent_logits, route_logits = model(*pad([data.ids[row] for row in rows]))
    intents, routes = data.intents[rows], data.routes[rows]
    loss = pooled.new_zeros(())
    if (intents >= 0).any():
        loss = loss + functional.cross_entropy(
            intent_logits, intents, ignore_index=-1, label_smoothing=recipe.label_smoothing
        )
    if route_logits is not None and (routes >= 0).any():
        loss = loss + recipe.route_weight * functional.cross_entropy(
            route_logits, routes, ignore_index=-1, label_smoothing=recipe.label_smoothing
        )
    if data.oos >= 0:
        loss = loss + recipe.outlier_weight * _outlier_loss(model, pooled, intents, data.oos)
    return loss


def _outlier_loss(model: IntentModel, pooled: Tensor, intents: Tensor, oos: int) -> Tensor:
    """Points between messages of two intents belong to neither.

    Source: Zhan et al. 2021, arXiv:2106.08616.
    """
    other = torch.randperm(len(pooled))
    share = torch.empty(len(pooled), 1).uniform_(0.35, 0.65)
    mixed = functional.normalize(share * pooled + (1 - share) * pooled[other], dim=-1)
    mixed = mixed[intents != intents[other]]
    if not len(mixed):
        return pooled.new_zeros(())
    return functional.cross_entropy(model.intent(mixed), torch.full((len(mixed),), oos))


class Averaged:
    """Running mean of the trained weights; what is exported."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        self.weights = {n: p.detach().clone() for n, p in model.named_parameters()}

    def update(self, model: nn.Module) -> None:
        self._steps += 1
        keep = min(self._decay, self._steps / (self._steps + 10))
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                self.weights[name].lerp_(parameter.detach(), 1 - keep)

    def state(self) -> dict[str, object]:
        return {"steps": self._steps, "weights": self.weights}

    def restore(self, state: dict[str, object]) -> None:
        self._steps = state["steps"]  # type: ignore[assignment]
        self.weights = state["weights"]  # type: ignore[assignment]


def optimise(model: IntentModel, data: Encoded, recipe: Recipe, checkpoint: Path) -> None:
    """Trains in place and leaves the averaged weights; goes on from `checkpoint` if it exists."""
    steps = recipe.epochs * -(-len(data.ids) // recipe.batch)
    optimizer = torch.optim.AdamW(parameter_groups(model, recipe))
    warm = max(1, int(steps * recipe.warmup))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm, max(0.0, (steps - step) / (steps - warm)))
    )
    averaged = Averaged(model, recipe.average)
    stateful = {"model": model, "optimizer": optimizer, "schedule": schedule}
    first = 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, weights_only=True)
        for name, part in stateful.items():
            part.load_state_dict(saved[name])
        averaged.restore(saved["averaged"])
        first = saved["epoch"]
    with tqdm(total=steps, initial=first * (steps // recipe.epochs), unit="step") as bar:
        for epoch in range(first, recipe.epochs):
            model.train()
            torch.manual_seed(recipe.seed + epoch)
            for rows in batches(data, recipe.batch, random.Random(recipe.seed + epoch)):
                loss = loss_of(model, data, rows, recipe)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                optimizer.zero_grad()
                averaged.update(model)
                bar.update()
                bar.set_postfix(epoch=epoch + 1, loss=f"{loss.item():.3f}")
            states = {name: part.state_dict() for name, part in stateful.items()}
            torch.save({**states, "averaged": averaged.state(), "epoch": epoch + 1}, checkpoint)
    model.load_state_dict(averaged.weights, strict=False)
