"""What the cache's handlers need, built in app.py."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.cache.adapters import AnswerStore
from services.cache.catalogue import Catalogue
from services.cache.flights import Flights
from services.cache.lessons import Lessons
from services.cache.likeness import Likeness
from services.cache.settings import CacheSettings
from services.cache.traces import Traces
from shared.boards import PolicyBoard
from shared.clock import Clock


class QuestionEmbedder(Protocol):
    """Turns one question into a vector, in a bounded executor."""

    async def embed(self, text: str) -> bytes: ...


class QuestionVerifier(Protocol):
    """Says how likely one answer serves two questions, in a bounded executor."""

    async def probabilities(self, pairs: Sequence[Likeness]) -> list[float]: ...


@dataclass(frozen=True)
class Deps:
    """What the cache needs."""

    settings: CacheSettings
    store: AnswerStore
    embedder: QuestionEmbedder
    verifier: QuestionVerifier
    flights: Flights
    traces: Traces
    lessons: Lessons
    catalogue: Catalogue
    policy: PolicyBoard
    clock: Clock
