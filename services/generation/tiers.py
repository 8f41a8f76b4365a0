"""A tier: a model with a price, and a breaker that leaves it out for a while."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from shared.clock import Clock
from shared.errors import SwitchboardError
from shared.llm import ChatModel, Piece, Request
from shared.policy import GenerationTier


@dataclass
class Tier:
    """One model. After `failures_allowed` failures in a row it rests for `pause_s`."""

    name: GenerationTier
    model: ChatModel
    usd_per_million: float
    clock: Clock
    failures_allowed: int
    pause_s: float
    _failures: int = field(default=0, init=False)
    _rests_until_s: float = field(default=0.0, init=False)

    @property
    def is_open(self) -> bool:
        """Whether it is worth asking now."""
        return self.clock.monotonic_s() >= self._rests_until_s

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """The model's pieces; every outcome is remembered. Raises what the model raises."""
        try:
            async for piece in self.model.stream(request):
                yield piece
        except SwitchboardError:
            self._failures += 1
            if self._failures >= self.failures_allowed:
                self._failures = 0
                self._rests_until_s = self.clock.monotonic_s() + self.pause_s
            raise
        self._failures = 0

    def cost_usd(self, tokens: int) -> float:
        """Price of so many tokens."""
        return tokens * self.usd_per_million / 1_000_000
