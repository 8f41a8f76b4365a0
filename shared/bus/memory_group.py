"""Groups of the memory variant: who reads which partition, and how far each is done."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from typing import Literal

from shared.bus.memory_log import PartitionLog, TopicLog
from shared.bus.port import Message
from shared.bus.progress import Lane, Ledger

REJOIN_S = 0.05  # what a heartbeat is on Kafka: when an evicted member hears of it

Start = Literal["earliest", "latest"]


class MemoryGroup:
    """The members of one group and its committed offsets, which outlive the members."""

    def __init__(self, topic: Callable[[str], TopicLog]) -> None:
        self._topic = topic
        self._owners: dict[Lane, MemorySubscription] = {}
        self.members: list[MemorySubscription] = []
        self.committed: dict[Lane, int] = {}

    def log(self, lane: Lane) -> PartitionLog:
        """The messages of a lane."""
        return self._topic(lane.topic).partitions[lane.partition]

    def join(self, member: "MemorySubscription") -> None:
        """A member comes: partitions are dealt anew."""
        self.members.append(member)
        self._rebalance()

    def leave(self, member: "MemorySubscription") -> None:
        """A member goes: what it had not done is delivered to the others."""
        if member in self.members:
            self.members.remove(member)
            self._rebalance()

    def evict(self, names: Collection[str]) -> None:
        """Members are put out; the living among them, here all, join again in a moment."""
        for member in [each for each in self.members if each.name in names]:
            self.leave(member)
            asyncio.get_running_loop().call_later(REJOIN_S, member.rejoin)

    def wake(self, topics: set[str]) -> None:
        """Something arrived on these topics."""
        for member in self.members:
            if not topics.isdisjoint(member.topics):
                member.wake()

    def _rebalance(self) -> None:
        owners = self._deal()
        moved = {lane for lane, owner in self._owners.items() if owners.get(lane) is not owner}
        for lane in moved:
            self._owners[lane].revoke(lane)
        for lane, owner in owners.items():
            if self._owners.get(lane) is not owner:
                owner.assign(lane, self._position(lane, owner.start))
        self._owners = owners

    def _deal(self) -> "dict[Lane, MemorySubscription]":
        owners: dict[Lane, MemorySubscription] = {}
        for name in {topic for member in self.members for topic in member.topics}:
            candidates = [member for member in self.members if name in member.topics]
            for lane in self._topic(name).lanes():
                owners[lane] = candidates[lane.partition % len(candidates)]
        return owners

    def _position(self, lane: Lane, start: Start) -> int:
        """Where to read on; a fresh group's starting point is committed as well."""
        log = self.log(lane)
        fresh = log.start if start == "earliest" else log.end
        return self.committed.setdefault(lane, fresh)


class MemorySubscription:
    """A member of a `MemoryGroup`."""

    def __init__(
        self,
        group: MemoryGroup,
        topics: Sequence[str],
        start: Start,
        max_in_flight: int,
        name: str = "",
    ) -> None:
        self.name = name
        self.topics = frozenset(topics)
        self.start = start
        self._group = group
        self._max_in_flight = max_in_flight
        self._ledger = Ledger()
        self._positions: dict[Lane, int] = {}
        self._fresh_from: dict[Lane, int] = {}  # offsets below were there when the lane came
        self._awake = asyncio.Event()
        self._closed = False

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        while not self._closed:
            if (message := self._take()) is not None:
                return message
            self._awake.clear()
            await self._awake.wait()
        raise StopAsyncIteration

    def is_fresh(self, message: Message) -> bool:
        """Whether it came after its partition was dealt to us."""
        fresh_from = self._fresh_from.get(Lane(message.topic, message.partition))
        return fresh_from is not None and message.offset >= fresh_from

    def done(self, message: Message) -> None:
        """Mark a message finished; commits at once, there is no network to save."""
        self._ledger.done(Lane(message.topic, message.partition), message.offset)
        offsets = self._ledger.pending()
        self._group.committed.update(offsets)
        self._ledger.committed(offsets)
        self.wake()

    async def positioned(self, timeout_s: float) -> None:
        """Partitions are assigned from the first moment."""

    async def close(self) -> None:
        """Leave the group; what is not done goes to the others, or waits for the next member."""
        self._closed = True
        self._group.leave(self)
        self.wake()

    def rejoin(self) -> None:
        """Come back after an eviction, unless closed meanwhile."""
        if not self._closed:
            self._group.join(self)

    def assign(self, lane: Lane, position: int) -> None:
        """A partition comes to this member."""
        self._positions[lane] = position
        self._fresh_from[lane] = self._group.log(lane).end
        self._ledger.assign(lane, position, committed=position)
        self.wake()

    def revoke(self, lane: Lane) -> None:
        """A partition goes; its messages still out here no longer count."""
        self._positions.pop(lane, None)
        self._fresh_from.pop(lane, None)
        self._ledger.revoke([lane])
        self.wake()

    def wake(self) -> None:
        """Look again."""
        self._awake.set()

    def _take(self) -> Message | None:
        if self._ledger.in_flight >= self._max_in_flight:
            return None
        return next(self._available(), None)

    def _available(self) -> Iterator[Message]:
        for lane, position in list(self._positions.items()):
            message = self._group.log(lane).at(position)
            if message is None:
                continue
            self._positions.pop(lane)
            self._positions[lane] = message.offset + 1  # to the back: partitions take turns
            self._ledger.delivered(lane, message.offset)
            yield message
