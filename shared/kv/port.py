"""What the rest of the code knows about the key-value store: small, atomic, and with expiry.

Everything in it may be lost without harm beyond repeated work: what must survive lives on topics or
in a database. Keys start with `tenant:` data's tenant wherever they hold a tenant's data.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol


class KeyValue(Protocol):
    """A store as opened by `open_kv(url)`. Every call raises Unavailable when it is away."""

    async def get(self, key: str) -> bytes | None: ...

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]: ...

    async def set(
        self, key: str, value: bytes, *, ttl_s: float | None = None, if_absent: bool = False
    ) -> bool:
        """Store; False when `if_absent` and the key was there."""
        ...

    async def set_many(self, values: Mapping[str, bytes], *, ttl_s: float) -> None:
        """Store several in one round trip."""
        ...

    async def delete(self, *keys: str) -> int:
        """Remove; how many were there."""
        ...

    async def append_once(
        self, key: str, items: Mapping[str, bytes], *, ttl_s: float, max_items: int
    ) -> list[int]:
        """Append items (id → value), in order, unless their ids are in the numbered list.

        Their numbers, from 1, either way. Numbers never repeat while the list lives, also when
        old items fell off past `max_items`.
        """
        ...

    async def read_after(self, key: str, number: int) -> list[tuple[int, bytes]]:
        """Items numbered above `number`, in order. The first may not be `number + 1`: a gap."""
        ...

    async def increment(self, key: str, *, ttl_s: float | None = None) -> int:
        """Add one; the new value."""
        ...

    async def put_field(self, key: str, field: str, value: bytes, *, ttl_s: float | None) -> None:
        """Set one field of a map."""
        ...

    async def fields(self, key: str) -> Mapping[str, bytes]:
        """The whole map; empty when absent."""
        ...

    async def remove_field(self, key: str, field: str) -> None: ...

    async def ping(self, timeout_s: float = 0.5) -> bool:
        """Whether it answers; finds out in any case, also while other calls fail at once."""
        ...

    async def close(self) -> None: ...
