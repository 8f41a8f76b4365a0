"""Where answers are remembered: in Redis vector sets, or in this process with the same promises."""

import random
from collections.abc import Sequence
from typing import Any, Protocol, cast

import numpy as np
from redis.exceptions import ResponseError

from shared.answers import Remembered, Scope
from shared.clock import Clock
from shared.errors import ConfigurationError, Unavailable
from shared.kv.redis import RedisKeyValue

__all__ = ["AnswerStore", "MemoryAnswerStore", "RedisAnswerStore", "Remembered", "Scope"]

Candidate = tuple[float, Remembered]  # cosine similarity and the entry


class AnswerStore(Protocol):
    """Remembered answers of all tenants. Calls raise Unavailable when the store is away."""

    async def exact(self, scope: Scope, fingerprint: str) -> Remembered | None: ...

    async def nearest(self, scope: Scope, embedding: bytes, count: int) -> Sequence[Candidate]:
        """The most similar entries, best first; expired ones are left out and cleaned up."""
        ...

    async def remember(self, scope: Scope, entry: Remembered, embedding: bytes) -> None: ...

    async def forget(self, scope: Scope, fingerprint: str) -> None: ...

    async def forget_document(self, tenant_id: str, document_id: str, version: str) -> int:
        """Drop the answers that cite another version of a document; how many."""
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


class RedisAnswerStore:
    """Entries as strings with a TTL, their vectors in one vector set per scope (Redis ≥ 8)."""

    def __init__(self, kv: RedisKeyValue, freshness: Freshness, max_entries: int) -> None:
        self._kv = kv
        self._freshness = freshness
        self._max_entries = max_entries

    async def exact(self, scope: Scope, fingerprint: str) -> Remembered | None:
        found = await self._kv.get(scope.answer_key(fingerprint))
        return None if found is None else Remembered.model_validate_json(found)

    async def nearest(self, scope: Scope, embedding: bytes, count: int) -> Sequence[Candidate]:
        key = f"{scope.prefix}:v"
        found = await self._run("VSIM", key, "FP32", embedding, "WITHSCORES", "COUNT", count)
        ranked = _pairs(found)
        values = await self._kv.get_many([scope.answer_key(name) for name, _ in ranked])
        expired = [name for (name, _), value in zip(ranked, values, strict=True) if value is None]
        for name in expired:  # the string's TTL ended; its vector goes when somebody meets it
            await self._run("VREM", key, name)
        return [
            (2 * score - 1, Remembered.model_validate_json(value))  # VSIM gives (1 + cosine) / 2
            for (_, score), value in zip(ranked, values, strict=True)
            if value is not None
        ]

    async def remember(self, scope: Scope, entry: Remembered, embedding: bytes) -> None:
        stamped, keep_s = self._freshness.stamp(entry)
        vectors = f"{scope.prefix}:v"
        if int(await self._run("VCARD", vectors) or 0) >= self._max_entries:
            await self._drop_one(vectors)
        value = stamped.model_dump_json().encode()
        await self._kv.set(scope.answer_key(entry.fingerprint), value, ttl_s=keep_s)
        for citation in entry.citations:
            cited_by = _cited_by_key(scope.tenant_id, citation.document_id)
            member = f"{scope.locale}\t{scope.knowledge_version}\t{entry.fingerprint}"
            version = citation.document_version.encode()
            await self._kv.put_field(cited_by, member, version, ttl_s=keep_s)
        # Last, so that a neighbour that is found has its answer and can be forgotten.
        await self._run("VADD", vectors, "FP32", embedding, entry.fingerprint, "Q8")

    async def _drop_one(self, vectors: str) -> None:
        if victim := await self._run("VRANDMEMBER", vectors):
            await self._run("VREM", vectors, victim)

    async def _run(self, *command: str | bytes | int) -> Any:
        async with self._kv.calling() as redis:
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def forget(self, scope: Scope, fingerprint: str) -> None:
        await self._kv.delete(scope.answer_key(fingerprint))
        await self._run("VREM", f"{scope.prefix}:v", fingerprint)

    async def forget_document(self, tenant_id: str, document_id: str, version: str) -> int:
        key = _cited_by_key(tenant_id, document_id)
        dropped = 0
        for member, cited_version in (await self._kv.fields(key)).items():
            if cited_version.decode() == version:
                continue
            locale, knowledge_version, fingerprint = member.split("\t")
            await self.forget(Scope(tenant_id, locale, knowledge_version), fingerprint)
            await self._kv.remove_field(key, member)
            dropped += 1
        return dropped

    async def check(self) -> None:
        """Raises ConfigurationError when the server has no vector sets; one that is away passes."""
        try:
            await self._run("VCARD", "cache:probe")
        except ResponseError as error:
            raise ConfigurationError(
                f"KV_URL: Redis ≥ 8 with vector sets needed: {error}"
            ) from None
        except Unavailable:
            return


def _cited_by_key(tenant_id: str, document_id: str) -> str:
    return f"cache:{tenant_id}:cited:{document_id}"


def _pairs(found: object) -> list[tuple[str, float]]:
    """VSIM's reply: a flat list under RESP2, a map under RESP3."""
    if isinstance(found, dict):
        rows = list(found.items())
    else:
        flat = cast(list[bytes], found or [])
        rows = list(zip(flat[::2], flat[1::2], strict=True))
    return [(name.decode(), float(score)) for name, score in rows]


class MemoryAnswerStore:
    """Entries of one process; a scan over a matrix is exact and quick up to some 10,000."""

    def __init__(self, clock: Clock, freshness: Freshness, max_entries: int) -> None:
        self._clock = clock
        self._freshness = freshness
        self._max_entries = max_entries
        self._entries: dict[Scope, dict[str, tuple[Remembered, np.ndarray, float]]] = {}

    def _live(self, scope: Scope) -> dict[str, tuple[Remembered, np.ndarray, float]]:
        entries = self._entries.setdefault(scope, {})
        now_s = self._clock.monotonic_s()
        for name in [name for name, (_, _, until) in entries.items() if until <= now_s]:
            del entries[name]
        return entries

    async def exact(self, scope: Scope, fingerprint: str) -> Remembered | None:
        found = self._live(scope).get(fingerprint)
        return None if found is None else found[0]

    async def nearest(self, scope: Scope, embedding: bytes, count: int) -> Sequence[Candidate]:
        entries = list(self._live(scope).values())
        if not entries:
            return []
        scores = np.stack([row for _, row, _ in entries]) @ np.frombuffer(embedding, np.float32)
        best = np.argsort(-scores)[:count]
        return [(float(scores[i]), entries[i][0]) for i in best]

    async def remember(self, scope: Scope, entry: Remembered, embedding: bytes) -> None:
        stamped, keep_s = self._freshness.stamp(entry)
        entries = self._live(scope)
        while len(entries) >= self._max_entries:
            del entries[next(iter(entries))]
        vector = np.frombuffer(embedding, np.float32)
        entries[entry.fingerprint] = (stamped, vector, self._clock.monotonic_s() + keep_s)

    async def forget(self, scope: Scope, fingerprint: str) -> None:
        self._live(scope).pop(fingerprint, None)

    async def forget_document(self, tenant_id: str, document_id: str, version: str) -> int:
        dropped = 0
        for scope, entries in self._entries.items():
            for name in [n for n, (e, _, _) in entries.items() if _cites(e, document_id, version)]:
                if scope.tenant_id == tenant_id:
                    del entries[name]
                    dropped += 1
        return dropped


def _cites(entry: Remembered, document_id: str, version: str) -> bool:
    return any(
        c.document_id == document_id and c.document_version != version for c in entry.citations
    )
