"""The key-value store inside one process. Same promises as Redis, nothing on disk."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class _NumberedList:
    items: list[tuple[int, str, bytes]] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    last: int = 0

    def append(self, item_id: str, value: bytes) -> int:
        if item_id not in self.numbers:
            self.last += 1
            self.items.append((self.last, item_id, value))
            self.numbers[item_id] = self.last
        return self.numbers[item_id]

    def trim(self, max_items: int) -> None:
        for _, old_id, _ in self.items[:-max_items]:
            del self.numbers[old_id]
        del self.items[:-max_items]


class MemoryKeyValue:
    """A KeyValue in dictionaries; expired keys go when they are touched, and in sweeps."""

    SWEEP_EVERY = 1024  # writes between two sweeps of expired keys: keeps memory bounded

    def __init__(self) -> None:
        self._data: dict[str, object] = {}
        self._expires: dict[str, float] = {}
        self._writes = 0

    def _live(self, key: str) -> object | None:
        if self._expires.get(key, float("inf")) <= time.monotonic():
            self._drop(key)
        return self._data.get(key)

    def _drop(self, key: str) -> bool:
        self._expires.pop(key, None)
        return self._data.pop(key, None) is not None

    def _store(self, key: str, value: object, ttl_s: float | None) -> None:
        self._data[key] = value
        if ttl_s is None:
            self._expires.pop(key, None)
        else:
            self._expires[key] = time.monotonic() + ttl_s
        self._writes += 1
        if self._writes % self.SWEEP_EVERY == 0:
            self._sweep()

    def _sweep(self) -> None:
        now = time.monotonic()
        for key in [key for key, at in self._expires.items() if at <= now]:
            self._drop(key)

    async def get(self, key: str) -> bytes | None:
        value = self._live(key)
        return value if isinstance(value, bytes) else None

    async def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [await self.get(key) for key in keys]

    async def set(
        self, key: str, value: bytes, *, ttl_s: float | None = None, if_absent: bool = False
    ) -> bool:
        if if_absent and self._live(key) is not None:
            return False
        self._store(key, value, ttl_s)
        return True

    async def set_many(self, values: Mapping[str, bytes], *, ttl_s: float) -> None:
        for key, value in values.items():
            self._store(key, value, ttl_s)

    async def delete(self, *keys: str) -> int:
        return sum(self._live(key) is not None and self._drop(key) for key in keys)

    async def append_once(
        self, key: str, items: Mapping[str, bytes], *, ttl_s: float, max_items: int
    ) -> list[int]:
        found = self._live(key)
        numbered = found if isinstance(found, _NumberedList) else _NumberedList()
        numbers = [numbered.append(item_id, value) for item_id, value in items.items()]
        numbered.trim(max_items)
        self._store(key, numbered, ttl_s)
        return numbers

    async def read_after(self, key: str, number: int) -> list[tuple[int, bytes]]:
        found = self._live(key)
        items = found.items if isinstance(found, _NumberedList) else []
        return [(n, value) for n, _, value in items if n > number]

    async def increment(self, key: str, *, ttl_s: float | None = None) -> int:
        value = int(await self.get(key) or b"0") + 1
        expires = self._expires.get(key)
        self._store(key, str(value).encode(), ttl_s if expires is None else None)
        if expires is not None:
            self._expires[key] = expires
        return value

    async def put_field(self, key: str, field: str, value: bytes, *, ttl_s: float | None) -> None:
        self._store(key, {**await self.fields(key), field: value}, ttl_s)

    async def fields(self, key: str) -> Mapping[str, bytes]:
        found = self._live(key)
        return dict(found) if isinstance(found, dict) else {}

    async def remove_field(self, key: str, field: str) -> None:
        found = self._live(key)
        if isinstance(found, dict):
            found.pop(field, None)

    async def ping(self, timeout_s: float = 0.5) -> bool:
        return True

    async def close(self) -> None:
        self._data.clear()
