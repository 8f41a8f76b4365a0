"""The limit per user: exact across replicas in Redis, per process while Redis is away."""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.exceptions import RedisError

from shared.errors import Unavailable
from shared.kv.breaker import TIMEOUT_S, Breaker

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Allowance:
    """Whether one more message is allowed, and what is left."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> Mapping[str, str]:
        """Source: draft-ietf-httpapi-ratelimit-headers-10."""
        headers = {
            "RateLimit-Policy": f'"messages";q={self.limit};w=60',
            "RateLimit": f'"messages";r={self.remaining};t={self.reset_s}',
        }
        return headers if self.allowed else {**headers, "Retry-After": str(max(1, self.reset_s))}


class Limiter:
    """Counts messages per minute in a moving window."""

    def __init__(self, kv_url: str, per_minute: int) -> None:
        self._item = RateLimitItemPerMinute(per_minute)
        self._local = MovingWindowRateLimiter(MemoryStorage())
        self._shared: MovingWindowRateLimiter | None = None
        if kv_url.startswith(("redis://", "rediss://")):
            storage = RedisStorage(
                f"async+{kv_url}",
                implementation="redispy",
                key_prefix="limits",
                socket_timeout=TIMEOUT_S,
                socket_connect_timeout=TIMEOUT_S,
            )
            self._shared = MovingWindowRateLimiter(storage)
        self._breaker = Breaker("Redis", (RedisError, OSError))

    async def hit(self, *who: str) -> Allowance:
        """Count one message of `who`."""
        if self._shared is not None:
            try:
                async with self._breaker.guard():
                    return await self._hit(self._shared, who)
            except Unavailable as error:
                log.debug("limits count in this process: %s", error)
        return await self._hit(self._local, who)

    async def _hit(self, limiter: MovingWindowRateLimiter, who: tuple[str, ...]) -> Allowance:
        allowed = await limiter.hit(self._item, *who)
        window = await limiter.get_window_stats(self._item, *who)
        reset_s = max(0, math.ceil(window.reset_time - time.time()))
        return Allowance(allowed, self._item.amount, int(window.remaining), reset_s)

    async def close(self) -> None:
        """Let go of connections and timers."""
        timer = getattr(self._local.storage, "timer", None)
        if timer is not None:
            timer.cancel()
        if isinstance(self._shared and self._shared.storage, RedisStorage):
            await self._shared.storage.bridge.storage.aclose()  # type: ignore[union-attr]
