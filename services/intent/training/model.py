"""One mean-pooled encoder and its heads."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.training.precision import autocast

SCALE = 20.0  # logit of a perfect match at the start; learned. Source: Wang et al. 2018 (CosFace)


class Outputs(NamedTuple):
    """Unit vectors [n, width] and logits: [n, intents], [n, routes] or None, [n] or None."""

    pooled: Tensor
    intent: Tensor
    route: Tensor | None
    frustration: Tensor | None


class CosineHead(nn.Module):  # type: ignore[misc]
    """Logit = scale × cosine between a message and a class; bounded, which helps rejection."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, width))
        self.scale = nn.Parameter(torch.tensor(SCALE))

    def matrix(self) -> Tensor:
        """[classes, width]: the classes' directions times the scale."""
        return self.scale * functional.normalize(self.weight, dim=-1)

    def forward(self, pooled: Tensor) -> Tensor:
        """[n, width] unit length → [n, classes]."""
        return pooled @ self.matrix().T


class IntentModel(nn.Module):  # type: ignore[misc]
    """Token ids in; a pooled unit vector and the logits of each head out."""

    def __init__(
        self,
        encoder: nn.Module,
        width: int,
        intents: int,
        routes: int,
        *,
        frustration: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        self.intent = CosineHead(width, intents)
        self.route = CosineHead(width, routes) if routes else None
        self.frustration = nn.Linear(width, 1) if frustration else None
        if self.frustration is not None:
            self.frustration.weight.data.mul_(SCALE)  # its input has unit length

    def pool(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Mean over real tokens, unit length: [n, width]."""
        with autocast():
            states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask[..., None].float()
        mean = (states.float() * weights).sum(1) / weights.sum(1)
        return functional.normalize(self.dropout(mean), dim=-1)

    def forward(self, ids: Tensor, mask: Tensor) -> Outputs:
        pooled = self.pool(ids, mask)
        return Outputs(
            pooled,
            self.intent(pooled),
            None if self.route is None else self.route(pooled),
            None if self.frustration is None else self.frustration(pooled)[:, 0],
        )


def set_prototypes(head: CosineHead, pooled: Tensor, labels: Tensor) -> None:
    """Starts each class at the mean of its messages; classes without any stay random."""
    with torch.no_grad():
        for label in labels.unique():
            if label >= 0:
                mean = pooled[labels == label].mean(0)
                head.weight[label] = functional.normalize(mean, dim=-1)
