"""What a training step minimises."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from services.intent.training.model import IntentModel, Outputs


@dataclass(frozen=True)
class Labels:
    """Label numbers of a batch, each [n]; −1 (frustration: NaN) where unknown."""

    intents: Tensor
    routes: Tensor
    frustration: Tensor


@dataclass(frozen=True)
class Weights:
    """How much each part counts beside the cross-entropy of the fine intent."""

    label_smoothing: float
    route: float
    frustration: float
    outlier: float
    contrast: float
    consistency: float


def loss_of(
    model: IntentModel, found: Outputs, labels: Labels, oos: int, weights: Weights
) -> Tensor:
    """Cross-entropy of each head where its label is known, and the terms that shape the space."""
    loss = _cross_entropy(found.intent, labels.intents, weights.label_smoothing)
    if found.route is not None:
        loss = loss + weights.route * _cross_entropy(
            found.route, labels.routes, weights.label_smoothing
        )
    if found.frustration is not None:
        loss = loss + weights.frustration * _binary(found.frustration, labels.frustration)
    if oos >= 0 and weights.outlier:
        loss = loss + weights.outlier * _outliers(model, found.pooled, labels.intents, oos)
    if weights.contrast:
        loss = loss + weights.contrast * _contrast(found.pooled, labels.intents)
    return loss


def consistency(one: Tensor, two: Tensor) -> Tensor:
    """Both directions of KL between two passes with different dropout.

    Source: Wu et al. 2021 (R-Drop), arXiv:2106.14448.
    """
    first, second = one.log_softmax(-1), two.log_softmax(-1)
    there = functional.kl_div(first, second, log_target=True, reduction="batchmean")
    back = functional.kl_div(second, first, log_target=True, reduction="batchmean")
    return (there + back) / 2


def _cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    if not (labels >= 0).any():
        return logits.sum() * 0.0
    return functional.cross_entropy(logits, labels, ignore_index=-1, label_smoothing=smoothing)


def _binary(logits: Tensor, labels: Tensor) -> Tensor:
    known = ~labels.isnan()
    if not known.any():
        return logits.sum() * 0.0
    return functional.binary_cross_entropy_with_logits(logits[known], labels[known])


def _outliers(model: IntentModel, pooled: Tensor, intents: Tensor, oos: int) -> Tensor:
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


def _contrast(pooled: Tensor, intents: Tensor, temperature: float = 0.1) -> Tensor:
    """Messages of one intent attract each other. Source: Khosla et al. 2020, arXiv:2004.11362."""
    alike = (intents[:, None] == intents[None, :]) & (intents >= 0)[:, None]
    alike = alike & ~torch.eye(len(pooled), dtype=torch.bool)
    near = pooled @ pooled.T / temperature
    near = near - torch.eye(len(pooled)) * 1e9
    chances = near.log_softmax(-1)
    paired = alike.any(1)
    if not paired.any():
        return pooled.new_zeros(())
    sums = (chances * alike).sum(1)[paired] / alike.sum(1)[paired]
    return -sums.mean()
