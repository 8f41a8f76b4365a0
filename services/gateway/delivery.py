"""Frames on their way out: numbered in the shared buffer, then given to the room's listeners."""

import json
from collections.abc import Sequence

from services.gateway.frames import Frame
from services.gateway.rooms import Key, Listener, Room, Rooms
from shared.errors import Unavailable
from shared.kv.port import KeyValue


class Delivery:
    """Sends frames of a conversation; sending a frame again changes nothing."""

    def __init__(self, kv: KeyValue, rooms: Rooms, *, ttl_s: float, max_frames: int) -> None:
        self._kv = kv
        self._rooms = rooms
        self._ttl_s = ttl_s
        self._max_frames = max_frames

    async def send(self, key: Key, frames: Sequence[Frame]) -> None:
        """Number frames and give them to everybody who listens here."""
        room = self._rooms.enter(key)
        try:
            async with room.lock:
                await self._send(room, frames)
        finally:
            self._rooms.leave(room)

    def tell(self, key: Key, frame: Frame) -> None:
        """Give a passing frame, such as `typing`, to who listens right now."""
        room = self._rooms.get(key)
        for listener in room.listeners if room else ():
            if listener.token is not None or frame.get("turn_id") in listener.turns:
                listener.tell(frame)

    async def _send(self, room: Room, frames: Sequence[Frame]) -> None:
        repeated = [frame["id"] in room.numbers for frame in frames]
        numbers = await self._number(room, frames)
        for seq, frame, is_repeated in zip(numbers, frames, repeated, strict=True):
            room.remember(seq, frame)
            for listener in list(room.listeners):
                await self._give(room, listener, seq, frame, is_repeated)

    async def _number(self, room: Room, frames: Sequence[Frame]) -> list[int]:
        """One round trip for all; numbers of our own while the store is away."""
        try:
            numbers = await self._append(room, [*room.unsent, *frames])
        except Unavailable:
            return [self._number_here(room, frame) for frame in frames]
        room.unsent.clear()
        return [numbers[frame["id"]] for frame in frames]

    def _number_here(self, room: Room, frame: Frame) -> int:
        if (known := room.numbers.get(frame["id"])) is not None:
            return known
        room.unsent.append(frame)
        room.remember(room.last_seq + 1, frame)
        return room.last_seq

    async def _append(self, room: Room, frames: Sequence[Frame]) -> dict[str, int]:
        """Id → number."""
        items = {frame["id"]: json.dumps(frame).encode() for frame in frames}
        numbers = await self._kv.append_once(
            room.buffer_key, items, ttl_s=self._ttl_s, max_items=self._max_frames
        )
        return dict(zip(items, numbers, strict=True))

    async def _give(
        self, room: Room, listener: Listener, seq: int, frame: Frame, repeated: bool
    ) -> None:
        cursor = listener.cursor
        if cursor is None or seq == cursor + 1:
            listener.push(seq, frame)
        elif seq > cursor:
            for number, earlier in await self._read(room, cursor):
                if number < seq:
                    listener.push(number, earlier)
            listener.push(seq, frame)
        elif not repeated:
            # The shared buffer was lost and counts from 1 again.
            listener.tell({"type": "gap", "reset": True, "seq": seq - 1})
            listener.push(seq, frame)

    async def _read(self, room: Room, after: int) -> list[tuple[int, Frame]]:
        try:
            found = await self._kv.read_after(room.buffer_key, after)
        except Unavailable:
            return [(seq, frame) for seq, frame in room.frames.items() if seq > after]
        return [(number, json.loads(value)) for number, value in found]

    async def resume(self, room: Room, listener: Listener, after: int, *, known: bool) -> bool:
        """Catch up on everything after frame `after`; False when some of it is gone.

        `known`: the conversation existed before, so an empty buffer means a lost one.
        """
        async with room.lock:
            kept = await self._read(room, max(0, after - 1))
            numbers = [number for number, _ in kept]
            whole = numbers[:1] in ([after], [1]) or (after == 0 and not numbers and not known)
            if not whole:
                first = numbers[0] if numbers else 1
                listener.cursor = first - 1
                listener.tell({"type": "gap", "reset": not numbers, "seq": first - 1})
            for number, frame in kept:
                if number > (listener.cursor or 0):
                    listener.push(number, frame)
                    room.remember(number, frame)
            return whole

    async def after(self, key: Key, number: int) -> list[tuple[int, Frame]]:
        """Frames after a number, as far as they are kept."""
        return await self._read(self._rooms.get(key) or Room(key), number)

    async def forget(self, key: Key) -> None:
        """Drop a conversation's frames everywhere."""
        self._rooms.forget(key)
        await self._kv.delete(Room(key).buffer_key)
