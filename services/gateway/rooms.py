"""Who listens to which conversation in this process, and the numbered frames they get.

A room holds the listeners and the unfinished turns of one conversation. Everything that is sent
goes through its lock, so all listeners see one order; a listener that fell behind the shared buffer
is brought up to date from it, and one that fell behind its own queue is let go and may resume.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.gateway.core import shown_text
from services.gateway.frames import Frame
from services.gateway.schemas import ChatAnswer

Key = tuple[str, str]  # tenant, conversation


@dataclass
class Turn:
    """A question whose asker waits in this process."""

    turn_id: str
    result: asyncio.Future[ChatAnswer]
    parts: dict[int, str] = field(default_factory=dict)

    def finish(self, answer: ChatAnswer) -> None:
        """Give the asker the answer; the first one counts."""
        if not self.result.done():
            self.result.set_result(answer)

    def refuse(self, error: Exception) -> None:
        """Give the asker the reason why there will be no answer."""
        if not self.result.done():
            self.result.set_exception(error)

    @property
    def shown(self) -> str:
        """What the asker has seen of the answer."""
        return shown_text(list(self.parts.items()))


class Listener:
    """One client's queue of frames. `cursor` is the last number it was given."""

    def __init__(self, *, token: str | None, after: int | None, limit: int, mode: str) -> None:
        """`token`: the conversation's, when the client may read all of it; None: own turns only."""
        self.cursor = after
        self.token = token
        self.turns: set[str] = set()
        self.overflowed = False
        self._mode = mode
        self._queue: asyncio.Queue[Frame] = asyncio.Queue(limit)

    def push(self, seq: int, frame: Frame) -> None:
        """Queue a numbered frame if this client may see it."""
        self.cursor = seq
        if self.token is None and frame.get("turn_id") not in self.turns:
            return
        if frame["type"] == "ack" and self.token is not None:
            frame = {**frame, "conversation_token": self.token}
        if frame["type"] == "answer" and frame["mode"] != self._mode:
            self._mode = frame["mode"]
            self.tell({"type": "mode", "mode": self._mode})
        self.tell({**frame, "seq": seq})

    def tell(self, frame: Frame) -> None:
        """Queue a frame as it is; `overflowed` when the client is too slow."""
        if self.overflowed:
            return  # whatever comes after a hole must be fetched by resuming
        try:
            self._queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.overflowed = True

    async def next(self) -> Frame | None:
        """The next frame; None once the client was too slow to get them all."""
        if self.overflowed and self._queue.empty():
            return None
        return await self._queue.get()


class Room:
    """One conversation in this process."""

    REMEMBERED = 500

    def __init__(self, key: Key) -> None:
        self.key = key
        self.lock = asyncio.Lock()
        self.listeners: set[Listener] = set()
        self.turns: dict[str, Turn] = {}
        self.numbers: OrderedDict[str, int] = OrderedDict()  # frame id → seq
        self.frames: OrderedDict[int, Frame] = OrderedDict()  # seq → frame, if the store is away
        self.unsent: list[Frame] = []  # numbered here only, while the store is away
        self.last_seq = 0

    @property
    def buffer_key(self) -> str:
        return "frames:{}:{}".format(*self.key)

    @property
    def idle(self) -> bool:
        return not (self.listeners or self.turns or self.unsent or self.lock.locked())

    def remember(self, seq: int, frame: Frame) -> None:
        """Keep a bounded copy of what was sent."""
        if seq <= self.last_seq and frame["id"] not in self.numbers:
            self.frames.clear()  # the store lost its numbers and began anew
        self.last_seq = seq
        self.numbers[frame["id"]] = seq
        self.frames[seq] = frame
        while len(self.numbers) > self.REMEMBERED:
            self.numbers.popitem(last=False)
        while len(self.frames) > self.REMEMBERED:
            self.frames.popitem(last=False)


class Rooms:
    """All rooms of this process; idle ones go."""

    MAX_UNSENT_ROOMS = 10_000  # rooms kept only because the store is away

    def __init__(self) -> None:
        self._rooms: OrderedDict[Key, Room] = OrderedDict()

    def get(self, key: Key) -> Room | None:
        """The room, if anybody is in it."""
        return self._rooms.get(key)

    def enter(self, key: Key) -> Room:
        """The room, opened if need be; `leave` it when done."""
        room = self._rooms.setdefault(key, Room(key))
        self._rooms.move_to_end(key)
        return room

    def leave(self, room: Room) -> None:
        """Close a room that nobody needs."""
        if room.idle:
            self._rooms.pop(room.key, None)
        while len(self._rooms) > self.MAX_UNSENT_ROOMS:
            oldest = next((r for r in self._rooms.values() if not (r.listeners or r.turns)), None)
            if oldest is None:
                return
            del self._rooms[oldest.key]

    @contextmanager
    def listening(self, key: Key, listener: Listener) -> Iterator[Room]:
        """Be in a room for the length of a block."""
        room = self.enter(key)
        room.listeners.add(listener)
        try:
            yield room
        finally:
            room.listeners.discard(listener)
            self.leave(room)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a conversation."""
        if room := self._rooms.get(key):
            room.frames.clear()
            room.unsent.clear()
            self.leave(room)

    def turn(self, key: Key, turn_id: str) -> Turn | None:
        """An unfinished turn of this process."""
        room = self._rooms.get(key)
        return room.turns.get(turn_id) if room else None

    def open_turns(self, key: Key) -> Sequence[Turn]:
        """All unfinished turns of a conversation."""
        room = self._rooms.get(key)
        return list(room.turns.values()) if room else []

    def everyone(self, act: Callable[[Listener], None]) -> None:
        """Do something for every listener."""
        for room in self._rooms.values():
            for listener in room.listeners:
                act(listener)
