"""Remembered answers in Redis ≥ 8: strings with a TTL, their vectors in one vector set a scope.

Keys, all below `cache:<tenant>`: `…:<scope>:a:<fingerprint>` one answer, `…:<scope>:v` the vectors
of a scope, `:values` every entry by hits, `:cited:<document>` who cites it, `:asked` questions by
count. `cache:tenants` names those that have entries, for the sweep.
"""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import quote

from redis.exceptions import ResponseError

from services.cache import redis_scripts
from services.cache.adapters import Bounds, Candidate, Freshness, Kept
from shared.answers import Remembered, Scope
from shared.errors import ConfigurationError, Unavailable
from shared.kv.redis import RedisKeyValue

TENANTS = "cache:tenants"
ASKED_KEEP_S = 30 * 86_400  # a question nobody asked for a month is not worth warming up
# Links of an entry, and entries that a search keeps in view. Of 100,000 entries 50 in view miss the
# nearest for one question in twelve, 100 for one in thirty: docs/benchmarks.md.
LINKS = 16
EFFORT = 100


class RedisAnswerStore:
    """An AnswerStore that several cache processes and the gateway share."""

    def __init__(self, kv: RedisKeyValue, freshness: Freshness, bounds: Bounds) -> None:
        self._kv = kv
        self._freshness = freshness
        self._bounds = bounds
        self._cursors: dict[str, int] = {}  # tenant → where its sweep goes on

    async def exact(self, scope: Scope, fingerprint: str) -> Remembered | None:
        found = await self._kv.get(scope.answer_key(fingerprint))
        return None if found is None else Remembered.model_validate_json(found)

    async def nearest(self, scope: Scope, embedding: bytes, count: int) -> Sequence[Candidate]:
        wanted = ("WITHSCORES", "COUNT", count, "EF", max(EFFORT, count))
        vectors = f"{scope.prefix}:v"
        ranked = _pairs(await self._run("VSIM", vectors, "FP32", embedding, *wanted))
        values = await self._kv.get_many([scope.answer_key(name) for name, _ in ranked])
        found = []
        for (name, score), value in zip(ranked, values, strict=True):
            if value is None:  # its time is over, or it was forgotten while it was being added
                await self._run("VREM", vectors, name)
            else:  # VSIM gives (1 + cosine) / 2
                found.append((2 * score - 1, Remembered.model_validate_json(value)))
        return found

    async def remember(self, scope: Scope, entry: Remembered, embedding: bytes) -> None:
        stamped, keep_s = self._freshness.stamp(entry)
        versions = {c.document_id: c.document_version for c in entry.citations}
        tenant = scope.tenant_id
        keys = [_values(tenant), scope.answer_key(entry.fingerprint)]
        keys += [_cited(tenant, document_id) for document_id in versions]
        arguments = (_member(scope, entry.fingerprint), self._bounds.entries)
        value = stamped.model_dump_json().encode()
        await self._run("SADD", TENANTS, tenant)
        await self._script(
            redis_scripts.REMEMBER, keys, *arguments, value, int(keep_s * 1000), *versions.values()
        )
        # Last, so that a neighbour that is found has its answer and can be forgotten.
        vectors, name = f"{scope.prefix}:v", entry.fingerprint
        # Without CAS, which Redis 8.2 writes into its log and cannot read back (decision 0017).
        await self._run("VADD", vectors, "FP32", embedding, name, "Q8", "M", LINKS)

    async def served(self, scope: Scope, fingerprint: str) -> None:
        member = _member(scope, fingerprint)
        await self._run("ZADD", _values(scope.tenant_id), "XX", "INCR", 1, member)

    async def amend(self, scope: Scope, entry: Remembered) -> None:
        value = entry.model_dump_json().encode()
        await self._run("SET", scope.answer_key(entry.fingerprint), value, "XX", "KEEPTTL")

    async def forget(self, scope: Scope, fingerprint: str) -> bool:
        async with self._kv.calling() as redis, redis.pipeline(transaction=True) as pipe:
            pipe.delete(scope.answer_key(fingerprint))
            pipe.execute_command("VREM", f"{scope.prefix}:v", fingerprint)
            pipe.zrem(_values(scope.tenant_id), _member(scope, fingerprint))
            return bool((await pipe.execute())[0])

    async def forget_document(self, tenant_id: str, document_id: str, version: str) -> int:
        key = _cited(tenant_id, document_id)
        dropped = 0
        for member, cited_version in (await self._kv.fields(key)).items():
            if cited_version.decode() == version:
                continue
            scope, fingerprint = _place(member)
            entry = await self.exact(scope, fingerprint)  # made anew since, it may cite others
            if entry is not None and entry.cites_other_version(document_id, version):
                dropped += await self.forget(scope, fingerprint)
            await self._kv.remove_field(key, member)
        return dropped

    async def kept(self, tenant_id: str, count: int) -> Sequence[Kept]:
        key = _values(tenant_id)
        flat = await self._run("ZREVRANGE", key, 0, count - 1, "WITHSCORES")
        rows = [(*_place(member), hits) for member, hits in _pairs(flat)]
        values = await self._kv.get_many([scope.answer_key(name) for scope, name, _ in rows])
        return [
            Kept(scope, Remembered.model_validate_json(value), hits)
            for (scope, _, hits), value in zip(rows, values, strict=True)
            if value is not None
        ]

    async def entries(
        self, tenant_id: str, fingerprint: str | None = None
    ) -> Sequence[tuple[Scope, str]]:
        wanted = () if fingerprint is None else ("MATCH", f"*\t{fingerprint}")
        found: dict[tuple[Scope, str], None] = {}
        cursor = 0
        while True:
            cursor, members = await self._scan(tenant_id, cursor, *wanted)
            found |= dict.fromkeys(map(_place, members))
            if not cursor:
                return list(found)

    async def size(self, tenant_id: str) -> int:
        return int(await self._run("ZCARD", _values(tenant_id)))

    async def asked(self, tenant_id: str, locale: str, question: str) -> None:
        key, member = _asked(tenant_id), f"{locale}\t{question}"
        most = self._bounds.questions
        await self._script(redis_scripts.COUNT, [key], member, most, ASKED_KEEP_S)

    async def most_asked(self, tenant_id: str, count: int) -> Sequence[tuple[str, str]]:
        found = await self._run("ZREVRANGE", _asked(tenant_id), 0, count - 1)
        rows = [member.decode().partition("\t") for member in found]
        return [(locale, question) for locale, _, question in rows]

    async def sweep(self) -> int:
        gone = 0
        for tenant in await self._run("SMEMBERS", TENANTS):
            tenant_id = tenant.decode()
            cursor = self._cursors.get(tenant_id, 0)
            self._cursors[tenant_id], members = await self._scan(tenant_id, cursor)
            if members:
                keys = [_values(tenant_id)]
                gone += await self._script(redis_scripts.SWEEP, keys, *members)
        return gone

    async def _scan(self, tenant_id: str, cursor: int, *wanted: str) -> tuple[int, list[str]]:
        """The next members of the table of values and where to go on; 0: that was all."""
        step = self._bounds.sweep_step
        following, flat = await self._run(
            "ZSCAN", _values(tenant_id), cursor, "COUNT", step, *wanted
        )
        return int(following), [member for member, _ in _pairs(flat)]

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

    async def _run(self, *command: str | bytes | int) -> Any:
        async with self._kv.calling() as redis:
            return await redis.execute_command(*command)  # type: ignore[no-untyped-call]

    async def _script(self, script: str, keys: list[str], *arguments: str | bytes | int) -> Any:
        async with self._kv.calling() as redis:
            return await redis.register_script(script)(keys=keys, args=list(arguments))


def _member(scope: Scope, fingerprint: str) -> str:
    return f"{scope.prefix}\t{fingerprint}"


def _place(member: str) -> tuple[Scope, str]:
    """The scope and the fingerprint in a member."""
    prefix, _, name = member.partition("\t")
    return Scope.of_prefix(prefix), name


def _values(tenant_id: str) -> str:
    return f"cache:{quote(tenant_id, safe='')}:values"


def _cited(tenant_id: str, document_id: str) -> str:
    return f"cache:{quote(tenant_id, safe='')}:cited:{document_id}"


def _asked(tenant_id: str) -> str:
    return f"cache:{quote(tenant_id, safe='')}:asked"


def _pairs(found: object) -> list[tuple[str, float]]:
    """Names with scores: a flat list under RESP2, a map or pairs under RESP3."""
    rows = list(found.items()) if isinstance(found, dict) else list(cast(list[Any], found or []))
    if rows and not isinstance(rows[0], tuple | list):
        rows = list(zip(rows[::2], rows[1::2], strict=True))
    return [(name.decode(), float(score)) for name, score in rows]
