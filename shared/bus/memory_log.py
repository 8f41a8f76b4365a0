"""Where the memory variant keeps messages: bounded logs with offsets, per topic and partition."""

import zlib
from bisect import bisect_left
from collections.abc import Iterator

from shared.bus.port import Message, Outgoing, TopicSpec
from shared.bus.progress import Lane

HOUR_MS = 3_600_000


class PartitionLog:
    """One partition: messages in ascending offsets, gaps allowed where compaction took some out."""

    def __init__(self, spec: TopicSpec, partition: int) -> None:
        self._spec = spec
        self._partition = partition
        self._messages: list[Message] = []
        self.end = 0  # the offset that the next message will get

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def start(self) -> int:
        """The oldest offset that can still be read."""
        return self._messages[0].offset if self._messages else self.end

    def append(self, outgoing: Outgoing, now_ms: int) -> None:
        """Put a message at the end."""
        self._messages.append(
            Message(
                topic=outgoing.topic,
                partition=self._partition,
                offset=self.end,
                key=outgoing.key,
                value=bytes(outgoing.value),
                headers=dict(outgoing.headers),
                timestamp_ms=now_ms,
            )
        )
        self.end += 1

    def at(self, offset: int) -> Message | None:
        """The first message at or after `offset`."""
        index = self._index(offset)
        return self._messages[index] if index < len(self._messages) else None

    def count_from(self, offset: int) -> int:
        """How many messages a reader at `offset` has before it."""
        return len(self._messages) - self._index(offset)

    def drop_before(self, offset: int) -> None:
        """Forget what everybody has read."""
        del self._messages[: self._index(offset)]

    def expire(self, now_ms: int) -> None:
        """Forget what is older than the topic's retention. A compacted topic keeps everything."""
        oldest_ms = now_ms - self._spec.retention_hours * HOUR_MS
        if self._spec.compacted or not self._messages or self._messages[0].timestamp_ms > oldest_ms:
            return
        young = (m.offset for m in self._messages if m.timestamp_ms > oldest_ms)
        self.drop_before(next(young, self.end))

    def compact(self) -> None:
        """Keep the newest message of each key."""
        newest = {message.key: message for message in self._messages}
        self._messages = sorted(newest.values(), key=lambda message: message.offset)

    def _index(self, offset: int) -> int:
        return bisect_left(self._messages, offset, key=lambda message: message.offset)


class TopicLog:
    """A topic and its partitions."""

    def __init__(self, spec: TopicSpec) -> None:
        self.spec = spec
        self.partitions = [PartitionLog(spec, number) for number in range(spec.partitions)]

    def partition_of(self, key: str) -> int:
        """The partition of a key; the same in every process."""
        return zlib.crc32(key.encode()) % len(self.partitions)

    def lanes(self) -> Iterator[Lane]:
        """All partitions, in order."""
        return (Lane(self.spec.name, number) for number in range(len(self.partitions)))
