"""Which messages are finished: what keeps a redelivery from being worked on again.

Kept in this process and, a moment later and many at a time, in the store, where a successor looks.
It saves work and is not what correctness rests on: ids are derived and readers drop repeats.
"""

import asyncio
from collections import OrderedDict

from shared.errors import Unavailable
from shared.kv.port import KeyValue

REMEMBER_S = 3600.0  # a redelivery comes within a session timeout or a restart
FLUSH_AFTER_S = 0.05  # well before the next commit of offsets
CAPACITY = 10_000  # some 1 MB; more than are finished between two commits


class FinishedWork:
    """Finished work of one process."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._unsaved: dict[str, bytes] = {}
        self._saving: asyncio.Task[None] | None = None

    async def has(self, key: str, *, fresh: bool) -> bool:
        """Whether this was finished before; `fresh`: no other process can have had it."""
        if key in self._recent:
            return True
        if fresh:
            return False
        try:
            return await self._kv.get(key) is not None
        except Unavailable:
            return False  # working twice is allowed

    def add(self, key: str) -> None:
        """Remember; the store hears of it soon."""
        self._recent[key] = None
        self._unsaved[key] = b"1"
        if len(self._recent) > CAPACITY:
            self._recent.popitem(last=False)
        if self._saving is None or self._saving.done():
            self._saving = asyncio.create_task(self._save_soon())

    async def _save_soon(self) -> None:
        while self._unsaved:
            await asyncio.sleep(FLUSH_AFTER_S)
            await self.save()

    async def save(self) -> None:
        """Tell the store now; what it cannot take is forgotten."""
        unsaved, self._unsaved = self._unsaved, {}
        if unsaved:
            try:
                await self._kv.set_many(unsaved, ttl_s=REMEMBER_S)
            except Unavailable:
                return

    async def close(self) -> None:
        """Save what is left."""
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.wait([self._saving])
        await self.save()
