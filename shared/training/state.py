"""Averaged weights, and what an interrupted run needs to go on."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn


class Averaged:
    """Running mean of the trained weights; what is exported."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._steps = 0
        self.weights = {
            n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad
        }

    def update(self, model: nn.Module) -> None:
        """One step more; early steps weigh more, so that the start is soon forgotten."""
        self._steps += 1
        keep = min(self._decay, self._steps / (self._steps + 10))
        own = dict(model.named_parameters())
        new = [own[name].detach() for name in self.weights]
        torch._foreach_lerp_(list(self.weights.values()), new, 1 - keep)

    def state_dict(self) -> dict[str, object]:
        return {"steps": self._steps, "weights": self.weights}

    def load_state_dict(self, state: dict[str, object]) -> None:
        self._steps = state["steps"]  # type: ignore[assignment]
        self.weights = state["weights"]  # type: ignore[assignment]


@dataclass(frozen=True)
class Checkpoint:
    """Everything a run has learned so far, in one file that is replaced as a whole."""

    path: Path
    run: str  # describes recipe and data; another run's checkpoint is refused
    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    averaged: Averaged

    def save(self, step: int) -> None:
        """After `step` steps."""
        parts = {name: part.state_dict() for name, part in self._parts().items()}
        partial = self.path.with_suffix(".partial")
        torch.save({**parts, "step": step, "run": self._fingerprint()}, partial)
        partial.replace(self.path)

    def restore(self) -> int:
        """The steps already done; 0 without a file.

        Raises:
            ValueError: the file is of other data or another recipe.
        """
        if not self.path.is_file():
            return 0
        saved = torch.load(self.path, weights_only=True)
        if saved["run"] != self._fingerprint():
            raise ValueError(f"{self.path} is of other data or another recipe; leave --resume out")
        for name, part in self._parts().items():
            part.load_state_dict(saved[name])
        return int(saved["step"])

    def _parts(self) -> dict[str, object]:
        return {
            "model": self.model,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "averaged": self.averaged,
        }

    def _fingerprint(self) -> str:
        return hashlib.sha256(self.run.encode()).hexdigest()
