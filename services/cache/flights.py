"""Single flight: of identical questions under way, the first is answered and the others wait.

A record per question in the key-value store names the turn that flies; it goes when that turn has
landed, or by itself after the longest wait, so a dead leader holds nobody up for longer than that.
Why followers wait inside their handler: docs/decisions/0016.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from shared.answers import Scope
from shared.events import TurnEvent
from shared.kv.port import KeyValue

Seat = Literal["leader", "follower", "alone"]
_ALONE = b"-"  # the last answer could not be shared: nobody waits for the next one


class Flights:
    """Which turn answers a question first, across processes. Calls raise Unavailable."""

    def __init__(
        self, kv: KeyValue, *, longest_wait_s: float, alone_s: float, max_followers: int
    ) -> None:
        """`alone_s`: how long nobody waits for a question whose answer could not be shared."""
        self._kv = kv
        self._longest_wait_s = longest_wait_s
        self._alone_s = alone_s
        self._seats = max_followers

    async def board(self, event: TurnEvent, fingerprint: str) -> Seat:
        """`leader`: answer it. `follower`: another turn does. `alone`: answer it, nobody waits."""
        key, own = _key(event, fingerprint), _leader(event)
        if await self._kv.set(key, own, ttl_s=self._longest_wait_s, if_absent=True):
            return "leader"
        flying = await self._kv.get(key)
        if flying == own:  # delivered again after a crash
            return "leader"
        if flying is None or flying == _ALONE:
            return "alone"
        # A conversation is worked on in order: waiting for itself, it would wait for ever.
        same = flying.split(b"\t")[0] == own.split(b"\t")[0]
        return "alone" if same else "follower"

    async def land(self, event: TurnEvent, fingerprint: str, *, shared: bool) -> None:
        """The turn is over; `shared` when its answer is there for the others."""
        key = _key(event, fingerprint)
        if await self._kv.get(key) != _leader(event):
            return
        if shared:
            await self._kv.delete(key)
        else:
            await self._kv.set(key, _ALONE, ttl_s=self._alone_s)

    @contextmanager
    def seat(self) -> Iterator[bool]:
        """A place to wait in this process; False when all are taken."""
        taken = self._seats > 0
        self._seats -= taken
        try:
            yield taken
        finally:
            self._seats += taken


def _key(event: TurnEvent, fingerprint: str) -> str:
    return f"{Scope.of(event).prefix}:flight:{fingerprint}"


def _leader(event: TurnEvent) -> bytes:
    return f"{event.conversation_id}\t{event.turn_id}".encode()
