"""What was learnt from "this cached answer was wrong": how close a question must be to an entry.

After vCache (Schroeder et al. 2025): no threshold fits all questions, so each neighbourhood has its
own, learnt from what went wrong there. A lesson outlives the entry it was learnt from: whatever is
remembered near it later starts with its bounds.
"""

import base64
from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel, ConfigDict

from shared.answers import Remembered
from shared.kv.port import KeyValue

NEAR = 0.85  # cosine to a disputed question from which its bounds hold as well
KEEP_S = 180 * 86_400.0
MOST = 1_000  # lessons of a tenant and locale; 1.6 kB each. The oldest goes first


class Lesson(BaseModel):
    """One disputed answer: the question it was remembered for, and how close the other one was."""

    model_config = ConfigDict(frozen=True)
    embedding: str  # [384] float32 of the entry's question, base64
    min_similarity: float
    min_probability: float
    learnt_unix_ms: int


def stricter(bound: float, wrong_at: float) -> float:
    """The bound after something at `wrong_at` proved wrong: half of the way up to certainty.

    The disputed pair is out at once; what is only a little closer has to prove itself as well.
    """
    return max(bound, wrong_at + (1 - wrong_at) / 2)


def tightened(entry: Remembered, similarity: float, probability: float) -> Remembered:
    """An entry that demands more than the pair that went wrong had."""
    bounds = {
        "min_similarity": stricter(entry.min_similarity, similarity),
        "min_probability": stricter(entry.min_probability, probability),
    }
    return entry.model_copy(update=bounds)


def learnt(entry: Remembered, embedding: bytes, lessons: Iterable[Lesson]) -> Remembered:
    """An entry with the bounds of every lesson from its neighbourhood."""
    own = np.frombuffer(embedding, np.float32)
    near = [
        lesson
        for lesson in lessons
        if float(np.frombuffer(base64.b64decode(lesson.embedding), np.float32) @ own) >= NEAR
    ]
    bounds = {
        "min_similarity": max([entry.min_similarity, *(n.min_similarity for n in near)]),
        "min_probability": max([entry.min_probability, *(n.min_probability for n in near)]),
    }
    return entry.model_copy(update=bounds)


class Lessons:
    """Lessons by tenant and locale; they hold across versions of knowledge and policy."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def all(self, tenant_id: str, locale: str) -> list[Lesson]:
        """Every lesson. Raises Unavailable."""
        found = await self._kv.fields(_key(tenant_id, locale))
        return [Lesson.model_validate_json(value) for value in found.values()]

    async def add(self, tenant_id: str, locale: str, fingerprint: str, lesson: Lesson) -> None:
        """Keep a lesson about one entry, in place of an earlier one. Raises Unavailable."""
        key = _key(tenant_id, locale)
        await self._kv.put_field(key, fingerprint, lesson.model_dump_json().encode(), ttl_s=KEEP_S)
        rows = await self._kv.fields(key)
        if len(rows) > MOST:
            lessons = {name: Lesson.model_validate_json(row) for name, row in rows.items()}
            oldest = min(lessons, key=lambda name: lessons[name].learnt_unix_ms)
            await self._kv.remove_field(key, oldest)


def _key(tenant_id: str, locale: str) -> str:
    return f"cachelessons:{tenant_id}:{locale}"
