"""How large a message may be, known before it is sent.

A broker that refuses a message for its size costs an idempotent producer everything it has in
flight, so what can be known is checked here.
"""

from collections.abc import Sequence

from shared.bus.port import Outgoing, TopicSpec
from shared.errors import InvalidEvent

BATCH_OVERHEAD_BYTES = 512  # of a record batch and its record; the broker's limit counts them
BROKER_DEFAULT_BYTES = 1_000_000


class SizeLimits:
    """Limits of the topics this process made sure of."""

    def __init__(self) -> None:
        self._limits: dict[str, int] = {}

    def learn(self, topics: Sequence[TopicSpec]) -> None:
        """Remember what topics take."""
        self._limits.update({spec.name: spec.max_message_bytes for spec in topics})

    def check(self, messages: Sequence[Outgoing]) -> None:
        """Raises InvalidEvent if the broker would refuse one of them."""
        for message in messages:
            limit = self._limits.get(message.topic)
            if limit is not None and wire_bytes(message) > limit:
                raise oversized(message, limit)

    def suspect(self, messages: Sequence[Outgoing]) -> Outgoing | None:
        """Which message a broker must have meant that refused one for its size, if any."""
        largest = max(messages, key=wire_bytes)
        limit = self._limits.get(largest.topic, BROKER_DEFAULT_BYTES)
        return largest if wire_bytes(largest) > limit else None


def wire_bytes(message: Outgoing) -> int:
    """About what a message takes in a batch of its own; rather too much than too little."""
    headers = sum(len(name) + len(value.encode()) for name, value in message.headers.items())
    return len(message.value) + len(message.key.encode()) + headers + BATCH_OVERHEAD_BYTES


def oversized(message: Outgoing, limit: int | None = None) -> InvalidEvent:
    """The error for it; names sizes, never content."""
    bound = f", limit {limit}" if limit else ""
    return InvalidEvent(f"{message.topic}: a message of {len(message.value)} bytes{bound}")
