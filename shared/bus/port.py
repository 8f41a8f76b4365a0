"""What the rest of the code knows about a broker.

A variant must give: order per key, at-least-once delivery, independent consumer groups, commits
only for what was `done`, and no loss while the broker is away and comes back. The memory variant is
not kinder than Kafka: it redelivers, keeps bad bytes, and its queues are bounded.
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol


@dataclass(frozen=True)
class Outgoing:
    """A message on its way out."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """A message as it arrived. (topic, partition, offset) is unique."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    headers: Mapping[str, str]
    timestamp_ms: int


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int = 4
    retention_hours: int = 24
    compacted: bool = False
    max_message_bytes: int = 1_000_000


class Subscription(Protocol):
    """A member of a consumer group. Iterate it, and say `done` for each message, in any order.

    The committed offset of a partition is that of its oldest message not yet done, so a crash
    redelivers everything unfinished. At most `max_in_flight` messages are out at once; the
    subscription stops fetching past that and stays in its group however long a handler takes.
    """

    def __aiter__(self) -> AsyncIterator[Message]: ...

    def is_fresh(self, message: Message) -> bool:
        """Whether no member of the group can have been given this message before.

        True only for what came after its partition was dealt to us.
        """
        ...

    def done(self, message: Message) -> None:
        """Mark one message finished; cheap, commits happen in the background."""
        ...

    async def positioned(self, timeout_s: float) -> None:
        """Return once partitions are assigned and fetching has begun. Raises Unavailable."""
        ...

    async def close(self) -> None:
        """Commit what is done and leave the group."""
        ...


class Bus(Protocol):
    """A broker, as opened by `open_bus(url)`."""

    async def publish(self, messages: Sequence[Outgoing], timeout_s: float = 5.0) -> None:
        """Return once every message is acknowledged (acks=all).

        Raises:
            Unavailable: not acknowledged within `timeout_s`; some may still arrive.
            Overloaded: the bounded send buffer is full.
        """
        ...

    def subscribe(
        self,
        topics: Sequence[str],
        group: str | None,
        *,
        start: Literal["earliest", "latest"] = "earliest",
        max_in_flight: int = 64,
        member: str = "",
    ) -> Subscription:
        """Join `group` (None: a reader of its own that commits nothing; broadcast).

        `start` says where a group without committed offsets begins. `member` is the name under
        which `members` lists it.
        """
        ...

    async def create_topics(self, topics: Sequence[TopicSpec], timeout_s: float = 15.0) -> None:
        """Create what is missing; existing topics stay as they are."""
        ...

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Messages behind, per topic, for one group. Raises Unavailable."""
        ...

    async def members(self, group: str) -> Sequence[str]:
        """Names of a group's members, the dead ones the broker still waits for included.

        Raises Unavailable.
        """
        ...

    async def evict(self, group: str, members: Collection[str]) -> None:
        """Have members leave now rather than when their session ends: others get their partitions.

        For the dead. A living one joins again by itself; what it had in hand is delivered again.
        Raises Unavailable.
        """
        ...

    async def ping(self, timeout_s: float = 1.0) -> bool:
        """Whether the broker answers."""
        ...

    async def close(self) -> None:
        """Send what is buffered, then let go."""
        ...
