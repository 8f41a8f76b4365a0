"""Where answers are remembered, as the handlers see it. Two variants keep the same promises:

`redis_store.py` (vector sets, for several processes) and `memory_store.py` (this process alone).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.answers import Remembered, Scope
from shared.clock import Clock

Candidate = tuple[float, Remembered]  # cosine similarity and the entry


@dataclass(frozen=True)
class Kept:
    """An entry as operators look at it. `hits` counts from the value of what it displaced."""

    scope: Scope
    entry: Remembered
    hits: float


class AnswerStore(Protocol):
    """Remembered answers of all tenants. Calls raise Unavailable when the store is away."""

    async def exact(self, scope: Scope, fingerprint: str) -> Remembered | None: ...

    async def nearest(self, scope: Scope, embedding: bytes, count: int) -> Sequence[Candidate]:
        """The most similar entries, best first; expired ones are left out."""
        ...

    async def remember(self, scope: Scope, entry: Remembered, embedding: bytes) -> None:
        """Keep an entry; the tenant's least valuable ones make room."""
        ...

    async def served(self, scope: Scope, fingerprint: str) -> None:
        """Count a hit: what is asked for often stays longest."""
        ...

    async def amend(self, scope: Scope, entry: Remembered) -> None:
        """Replace what is kept of an entry that is still there; its time goes on."""
        ...

    async def forget(self, scope: Scope, fingerprint: str) -> bool:
        """Drop one entry; whether it was there."""
        ...

    async def forget_document(self, tenant_id: str, document_id: str, version: str) -> int:
        """Drop the answers that cite another version of a document; how many."""
        ...

    async def kept(self, tenant_id: str, count: int) -> Sequence[Kept]:
        """The most valuable entries of a tenant, best first."""
        ...

    async def entries(
        self, tenant_id: str, fingerprint: str | None = None
    ) -> Sequence[tuple[Scope, str]]:
        """Where a tenant's entries lie: all, or those of one fingerprint."""
        ...

    async def size(self, tenant_id: str) -> int:
        """How many entries a tenant has; some may have expired since the last sweep."""
        ...

    async def asked(self, tenant_id: str, locale: str, question: str) -> None:
        """Count how often a question is asked, answered or not."""
        ...

    async def most_asked(self, tenant_id: str, count: int) -> Sequence[tuple[str, str]]:
        """Locale and question, the most asked ones first."""
        ...

    async def sweep(self) -> int:
        """Drop what is left of expired entries, in one bounded step; how many there were."""
        ...


class Freshness:
    """Draws how long an entry is fresh and how long it is kept."""

    def __init__(self, clock: Clock, ttl_s: float, jitter: float, stale_s: float) -> None:
        self._clock = clock
        self._ttl_s, self._jitter, self._stale_s = ttl_s, jitter, stale_s

    def stamp(self, entry: Remembered) -> tuple[Remembered, float]:
        """The entry with its end of freshness, and for how many seconds to keep it.

        The jitter keeps answers that were learnt together from expiring together.
        """
        ttl_s = self._ttl_s * (1 + random.uniform(-self._jitter, self._jitter))
        until = self._clock.unix_ms() + int(ttl_s * 1000)
        return entry.model_copy(update={"fresh_until_unix_ms": until}), ttl_s + self._stale_s


@dataclass(frozen=True)
class Bounds:
    """How much one tenant may fill."""

    entries: int  # answers of all its locales and versions together
    questions: int = 10_000  # counted ones; the rarest make room
    sweep_step: int = 500  # entries one sweep looks at
