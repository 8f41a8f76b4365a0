"""Small state with expiry. `open_kv(url)` picks the variant: `memory:` or `redis://host:port/db`."""

from shared.errors import ConfigurationError
from shared.kv.port import KeyValue

__all__ = ["KeyValue", "open_kv"]


def open_kv(url: str) -> KeyValue:
    """The store that `url` names. Raises ConfigurationError for any other scheme."""
    if url.startswith("memory:"):
        from shared.kv.memory import MemoryKeyValue

        return MemoryKeyValue()
    if url.startswith(("redis://", "rediss://", "unix://")):
        from shared.kv.redis import RedisKeyValue

        return RedisKeyValue(url)
    raise ConfigurationError(f"KV_URL={url!r}: expected memory: or redis://host:port/db")
