"""A broker inside this process, with Kafka's promises and Kafka's bad manners.

Order per key, groups that rebalance, redelivery of what was not done, bounded logs. Nothing is on
disk: what it holds is gone with the process. One event loop only.
"""

import asyncio
from collections.abc import Collection, Iterator, Sequence
from typing import Literal

from shared.bus.memory_group import MemoryGroup, MemorySubscription
from shared.bus.memory_log import PartitionLog, TopicLog
from shared.bus.port import Outgoing, Subscription, TopicSpec
from shared.bus.progress import Lane
from shared.clock import Clock, SystemClock
from shared.errors import InvalidEvent, Overloaded, Unavailable

CAPACITY = 10_000  # messages per partition; some 10 MB of events


class MemoryBus:
    """The `memory:` variant. `capacity` bounds what a partition holds for its slowest group."""

    def __init__(self, *, capacity: int = CAPACITY, clock: Clock | None = None) -> None:
        self._capacity = capacity
        self._clock = clock or SystemClock()
        self._topics: dict[str, TopicLog] = {}
        self._groups: dict[str, MemoryGroup] = {}
        self._readers: list[MemoryGroup] = []  # broadcast: a nameless group for each
        self._closed = False

    async def publish(self, messages: Sequence[Outgoing], timeout_s: float = 5.0) -> None:
        """Append all or none of the messages."""
        if self._closed:
            raise Unavailable("the memory bus is closed")
        for message in messages:
            self._refuse_oversized(message)
        self._make_room(messages)
        for message in messages:
            topic = self._topic(message.topic)
            log = topic.partitions[topic.partition_of(message.key)]
            log.append(message, self._clock.unix_ms())
        self._wake({message.topic for message in messages})
        await asyncio.sleep(0)  # as with a real broker, others get a turn meanwhile

    def subscribe(
        self,
        topics: Sequence[str],
        group: str | None,
        *,
        start: Literal["earliest", "latest"] = "earliest",
        max_in_flight: int = 64,
        member: str = "",
    ) -> Subscription:
        """Join a group; it rebalances at once."""
        for topic in topics:
            self._topic(topic)
        membership = self._membership(group)
        subscription = MemorySubscription(membership, topics, start, max_in_flight, member)
        membership.join(subscription)
        return subscription

    async def create_topics(self, topics: Sequence[TopicSpec], timeout_s: float = 15.0) -> None:
        """Create what is missing."""
        for spec in topics:
            self._topics.setdefault(spec.name, TopicLog(spec))

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Messages behind, per topic."""
        committed = self._groups[group].committed if group in self._groups else {}
        return {
            name: sum(
                self._log(lane).count_from(committed.get(lane, 0))
                for lane in self._topic(name).lanes()
            )
            for name in topics
        }

    async def members(self, group: str) -> Sequence[str]:
        """Names of a group's members."""
        return [each.name for each in self._groups[group].members] if group in self._groups else []

    async def evict(self, group: str, members: Collection[str]) -> None:
        """Have members leave; nobody is dead in here, so they soon join again, as on Kafka."""
        if group in self._groups:
            self._groups[group].evict(frozenset(members))

    async def ping(self, timeout_s: float = 1.0) -> bool:
        """Whether the bus is open."""
        return not self._closed

    async def close(self) -> None:
        """End every subscription."""
        self._closed = True
        for group in [*self._groups.values(), *self._readers]:
            for member in group.members:
                await member.close()

    def _membership(self, group: str | None) -> MemoryGroup:
        if group is not None:
            return self._groups.setdefault(group, MemoryGroup(self._topic))
        self._readers = [reader for reader in self._readers if reader.members]
        reader = MemoryGroup(self._topic)
        self._readers.append(reader)
        return reader

    def _topic(self, name: str) -> TopicLog:
        """A topic nobody created comes into being with the defaults, as on Kafka."""
        if name not in self._topics:
            self._topics[name] = TopicLog(TopicSpec(name))
        return self._topics[name]

    def _log(self, lane: Lane) -> PartitionLog:
        return self._topic(lane.topic).partitions[lane.partition]

    def _wake(self, topics: set[str]) -> None:
        for group in [*self._groups.values(), *self._readers]:
            group.wake(topics)

    def _refuse_oversized(self, message: Outgoing) -> None:
        limit = self._topic(message.topic).spec.max_message_bytes
        if len(message.value) > limit:
            raise InvalidEvent(
                f"{message.topic}: a message of {len(message.value)} bytes, limit {limit}"
            )

    def _make_room(self, messages: Sequence[Outgoing]) -> None:
        arriving: dict[Lane, int] = {}
        for message in messages:
            topic = self._topic(message.topic)
            lane = Lane(message.topic, topic.partition_of(message.key))
            arriving[lane] = arriving.get(lane, 0) + 1
        for lane, count in arriving.items():
            self._trim(lane, count)
            if len(self._log(lane)) + count > self._capacity:
                raise Overloaded(f"{lane.topic}: partition {lane.partition} is full")

    def _trim(self, lane: Lane, arriving: int) -> None:
        """Let go of what every group has finished, once space is needed."""
        log = self._log(lane)
        log.expire(self._clock.unix_ms())
        if len(log) + arriving <= self._capacity:
            return
        if self._topic(lane.topic).spec.compacted:
            log.compact()
            return
        needed = min(self._held(lane), default=log.end)
        log.drop_before(needed)

    def _held(self, lane: Lane) -> Iterator[int]:
        for group in self._groups.values():
            if lane in group.committed:
                yield group.committed[lane]
