"""Remembered answers of one process; a scan over a matrix is exact and quick up to some 10,000."""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from services.cache.adapters import Bounds, Candidate, Freshness, Kept
from shared.answers import Remembered, Scope
from shared.clock import Clock

_FIRST_ROWS = 64


@dataclass
class _Row:
    entry: Remembered
    number: int  # of its vector
    value: float
    until_s: float


@dataclass
class _Shelf:
    """One scope's entries and the matrix of their vectors; rows of dropped ones are used again."""

    rows: dict[str, _Row] = field(default_factory=dict)
    names: list[str | None] = field(default_factory=list)  # row number → fingerprint
    free: list[int] = field(default_factory=list)
    matrix: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def place(self, name: str, vector: NDArray[np.float32]) -> int:
        """The number of the row that now holds `vector`."""
        if not self.free and len(self.names) == len(self.matrix):
            grown = np.zeros((max(_FIRST_ROWS, 2 * len(self.names)), len(vector)), np.float32)
            if len(self.names):
                grown[: len(self.names)] = self.matrix
            self.matrix = grown
        if self.free:
            number = self.free.pop()
            self.names[number] = name
        else:
            number = len(self.names)
            self.names.append(name)
        self.matrix[number] = vector
        return number

    def drop(self, name: str) -> bool:
        row = self.rows.pop(name, None)
        if row is not None:
            self.names[row.number] = None
            self.matrix[row.number] = 0
            self.free.append(row.number)
        return row is not None


class MemoryAnswerStore:
    """An AnswerStore in dictionaries and one matrix a scope; nothing survives the process."""

    def __init__(self, clock: Clock, freshness: Freshness, bounds: Bounds) -> None:
        self._clock = clock
        self._freshness = freshness
        self._bounds = bounds
        self._shelves: dict[Scope, _Shelf] = {}
        self._asked: dict[str, Counter[tuple[str, str]]] = {}

    def _live(self, scope: Scope, name: str | None) -> _Row | None:
        row = self._shelves.get(scope, _Shelf()).rows.get(name or "")
        return row if row and row.until_s > self._clock.monotonic_s() else None

    async def exact(self, scope: Scope, fingerprint: str) -> Remembered | None:
        row = self._live(scope, fingerprint)
        return row.entry if row else None

    async def nearest(self, scope: Scope, embedding: bytes, count: int) -> Sequence[Candidate]:
        shelf = self._shelves.get(scope)
        if shelf is None or not shelf.rows:
            return []
        used = shelf.matrix[: len(shelf.names)]
        scores = used @ np.frombuffer(embedding, np.float32)
        best = np.argsort(-scores)[: count + len(shelf.free)]
        found = [(float(scores[n]), self._live(scope, shelf.names[n])) for n in best]
        return [(score, row.entry) for score, row in found if row][:count]

    async def remember(self, scope: Scope, entry: Remembered, embedding: bytes) -> None:
        stamped, keep_s = self._freshness.stamp(entry)
        shelf = self._shelves.setdefault(scope, _Shelf())
        before = shelf.rows.get(entry.fingerprint)
        value = before.value if before else self._make_room(scope.tenant_id) + 1
        shelf.drop(entry.fingerprint)
        number = shelf.place(entry.fingerprint, np.frombuffer(embedding, np.float32))
        until_s = self._clock.monotonic_s() + keep_s
        shelf.rows[entry.fingerprint] = _Row(stamped, number, value, until_s)

    def _make_room(self, tenant_id: str) -> float:
        """Drop the tenant's least valuable entries down to the bound; the value a newcomer adds to.

        LFU with dynamic ageing, as in `redis_scripts.py`.
        """
        entries = self._rows_of(tenant_id)
        surplus = len(entries) - self._bounds.entries + 1
        least = heapq.nsmallest(max(1, surplus), entries, key=lambda item: item[2].value)
        if surplus <= 0:
            return least[0][2].value - 1 if least else 0.0
        for scope, name, _ in least:
            self._shelves[scope].drop(name)
        return least[-1][2].value

    def _rows_of(self, tenant_id: str) -> list[tuple[Scope, str, _Row]]:
        shelves = [(s, shelf) for s, shelf in self._shelves.items() if s.tenant_id == tenant_id]
        return [(scope, name, row) for scope, shelf in shelves for name, row in shelf.rows.items()]

    async def served(self, scope: Scope, fingerprint: str) -> None:
        if row := self._live(scope, fingerprint):
            row.value += 1

    async def amend(self, scope: Scope, entry: Remembered) -> None:
        if row := self._live(scope, entry.fingerprint):
            row.entry = entry

    async def forget(self, scope: Scope, fingerprint: str) -> bool:
        return self._shelves.get(scope, _Shelf()).drop(fingerprint)

    async def forget_document(self, tenant_id: str, document_id: str, version: str) -> int:
        outdated = [
            (scope, name)
            for scope, name, row in self._rows_of(tenant_id)
            if row.entry.cites_other_version(document_id, version)
        ]
        return sum([await self.forget(scope, name) for scope, name in outdated])

    async def kept(self, tenant_id: str, count: int) -> Sequence[Kept]:
        rows = self._rows_of(tenant_id)
        best = heapq.nlargest(count, rows, key=lambda item: item[2].value)
        now_s = self._clock.monotonic_s()
        return [Kept(scope, row.entry, row.value) for scope, _, row in best if row.until_s > now_s]

    async def entries(
        self, tenant_id: str, fingerprint: str | None = None
    ) -> Sequence[tuple[Scope, str]]:
        rows = self._rows_of(tenant_id)
        return [(scope, name) for scope, name, _ in rows if fingerprint in (None, name)]

    async def size(self, tenant_id: str) -> int:
        return len(self._rows_of(tenant_id))

    async def asked(self, tenant_id: str, locale: str, question: str) -> None:
        counts = self._asked.setdefault(tenant_id, Counter())
        key, floor = (locale, question), 0
        if key not in counts and len(counts) >= self._bounds.questions:
            rarest = min(counts, key=counts.__getitem__)
            floor = counts.pop(rarest)  # Space-Saving, as in `redis_scripts.py`
        counts[key] += 1 + floor

    async def most_asked(self, tenant_id: str, count: int) -> Sequence[tuple[str, str]]:
        return [key for key, _ in self._asked.get(tenant_id, Counter()).most_common(count)]

    async def sweep(self) -> int:
        now_s, step = self._clock.monotonic_s(), self._bounds.sweep_step
        expired = [
            (shelf, name)
            for shelf in self._shelves.values()
            for name, row in shelf.rows.items()
            if row.until_s <= now_s
        ]
        for shelf, name in expired[:step]:
            shelf.drop(name)
        self._shelves = {scope: shelf for scope, shelf in self._shelves.items() if shelf.rows}
        return len(expired[:step])
