"""The key-value store on Redis ≥ 7. Every call is one round trip; scripts keep it atomic."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared.errors import Unavailable
from shared.kv.breaker import TIMEOUT_S, Breaker

# A numbered list is a sorted set (number → "id\0value"), a hash (id → number) and a counter.
# One script, so that two gateways that append the same frame agree on its number.
_APPEND_ONCE = """
local numbers = {}
for at = 3, #ARGV, 2 do
  local seen = redis.call('HGET', KEYS[2], ARGV[at])
  if not seen then
    seen = redis.call('INCR', KEYS[3])
    redis.call('ZADD', KEYS[1], seen, ARGV[at] .. '\\0' .. ARGV[at + 1])
    redis.call('HSET', KEYS[2], ARGV[at], seen)
  end
  numbers[#numbers + 1] = tonumber(seen)
end
local surplus = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[2])
if surplus > 0 then
  for _, old in ipairs(redis.call('ZRANGE', KEYS[1], 0, surplus - 1)) do
    redis.call('HDEL', KEYS[2], string.match(old, '^(.-)%z'))
  end
  redis.call('ZREMRANGEBYRANK', KEYS[1], 0, surplus - 1)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[1]) end
return numbers
"""


class RedisKeyValue:
    """A KeyValue on a Redis server. A call that takes longer than `timeout_s` is Unavailable, and
    so is everything for a moment after it: the callers' fallbacks are better than waiting.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=32,
            timeout=timeout_s,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 1),  # a connection that was dropped while idle
        )
        self._redis = Redis.from_pool(pool)
        away = (RedisConnectionError, RedisTimeoutError, OSError)
        self._breaker = Breaker("Redis", away, timeout_s=timeout_s)
        self._append_once = self._redis.register_script(_APPEND_ONCE)

    @asynccontextmanager
    async def calling(self) -> AsyncIterator["Redis"]:
        """The client, for commands of one's own; a server that is away becomes Unavailable."""
        async with self._breaker.guard():
            yield self._redis

    async def get(self, key: str) -> bytes | None:
        async with self.calling() as redis:
            return cast(bytes | None, await redis.get(key))

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        if not keys:
            return []
        async with self.calling() as redis:
            return cast(list[bytes | None], await redis.mget(keys))

    async def set(
        self, key: str, value: bytes, *, ttl_s: float | None = None, if_absent: bool = False
    ) -> bool:
        px = None if ttl_s is None else max(1, int(ttl_s * 1000))
        async with self.calling() as redis:
            return bool(await redis.set(key, value, px=px, nx=if_absent))

    async def set_many(self, values: Mapping[str, bytes], *, ttl_s: float) -> None:
        async with self.calling() as redis, redis.pipeline(transaction=False) as pipe:
            for key, value in values.items():
                pipe.set(key, value, px=max(1, int(ttl_s * 1000)))
            await pipe.execute()

    async def delete(self, *keys: str) -> int:
        if not keys:
            return 0
        names = [name for key in keys for name in (key, f"{key}:ids", f"{key}:last")]
        async with self.calling() as redis:
            present = await redis.exists(*keys)
            await redis.delete(*names)
            return int(present)

    async def append_once(
        self, key: str, items: Mapping[str, bytes], *, ttl_s: float, max_items: int
    ) -> list[int]:
        keys = [key, f"{key}:ids", f"{key}:last"]
        args: list[str | bytes | int] = [int(ttl_s * 1000), max_items]
        for item_id, value in items.items():
            args += [item_id, value]
        async with self.calling():
            return [int(number) for number in await self._append_once(keys=keys, args=args)]

    async def read_after(self, key: str, number: int) -> list[tuple[int, bytes]]:
        async with self.calling() as redis:
            found = await redis.zrange(key, f"({number}", "+inf", byscore=True, withscores=True)
        rows = cast(list[tuple[bytes, float]], found)
        return [(int(score), member.partition(b"\0")[2]) for member, score in rows]

    async def increment(self, key: str, *, ttl_s: float | None = None) -> int:
        async with self.calling() as redis, redis.pipeline(transaction=True) as pipe:
            pipe.incr(key)
            if ttl_s is not None:
                pipe.pexpire(key, int(ttl_s * 1000), nx=True)
            return int((await pipe.execute())[0])

    async def put_field(self, key: str, field: str, value: bytes, *, ttl_s: float | None) -> None:
        async with self.calling() as redis, redis.pipeline(transaction=True) as pipe:
            pipe.hset(key, field, value)
            if ttl_s is not None:
                pipe.pexpire(key, int(ttl_s * 1000))
            await pipe.execute()

    async def fields(self, key: str) -> Mapping[str, bytes]:
        async with self.calling() as redis:
            found = cast(dict[bytes, bytes], await redis.hgetall(key))
        return {name.decode(): value for name, value in found.items()}

    async def remove_field(self, key: str, field: str) -> None:
        async with self.calling() as redis:
            await redis.hdel(key, field)

    async def ping(self, timeout_s: float = 0.5) -> bool:
        try:
            async with self._breaker.guard(probe=True):
                return bool(await self._redis.ping())
        except (Unavailable, RedisError):
            return False

    async def close(self) -> None:
        await self._redis.aclose()
