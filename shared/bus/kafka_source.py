"""kafka-python's consumer behind `Source`.

kafka-python 3 does its I/O on a thread of its own and calls rebalance listeners there; a blocking
call from a listener is an error, so ours is asynchronous and awaits its commit.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from kafka import TopicPartition
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import IllegalStateError, KafkaError
from kafka.structs import MemberState, OffsetAndMetadata

from shared.bus.port import Message
from shared.bus.progress import Lane
from shared.bus.source import Ownership

log = logging.getLogger(__name__)

POSITION_TIMEOUT_MS = 2_000
CLOSE_TIMEOUT_MS = 3_000
HOPELESS = ("Unsupported", "Authentication", "Sasl", "Authorization")


class KafkaSource:
    """A consumer of `topics`; `group=None` assigns itself every partition."""

    def __init__(
        self, open_consumer: Callable[[], Any], topics: Sequence[str], group: str | None
    ) -> None:
        self._open_consumer = open_consumer
        self._topics = list(topics)
        self._group = group
        self._consumer: Any = None
        self._ended: Mapping[Lane, int] | None = None
        self._committing: Any = None  # the future of the last commit in the background

    def open(self, owner: Ownership) -> None:
        """Connect; joining the group happens in the first polls."""
        if self._consumer is None:
            self._consumer = self._open_consumer()
        lanes = self._existing_lanes()
        if self._group is None:
            self._consumer.assign([TopicPartition(*lane) for lane in lanes])
            owner.assigned(lanes)
        else:
            self._consumer.subscribe(self._topics, listener=_Rebalance(self, owner))

    def _existing_lanes(self) -> list[Lane]:
        """Also makes kafka-python load the partitions: its assignor, when it leads a group that
        is joined before that, deals nothing and leaves it at that for `metadata_max_age_ms`.
        """
        lanes = []
        for topic in self._topics:
            partitions = self._consumer.partitions_for_topic(topic)
            if not partitions:
                raise LookupError(f"{topic} does not exist yet")
            lanes += [Lane(topic, partition) for partition in partitions]
        return lanes

    def poll(self, most: int, timeout_s: float) -> Sequence[Message]:
        """At most `most` messages."""
        found = self._consumer.poll(timeout_ms=timeout_s * 1000, max_records=most)
        return [_message(record) for records in found.values() for record in records]

    def pause(self) -> None:
        """Fetch nothing; the member stays in its group."""
        self._consumer.pause(*self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume(*self._consumer.paused())

    def joined(self) -> bool:
        """Whether the group has dealt its partitions."""
        if self._group is None:
            return bool(self._consumer.assignment())
        return bool(self._consumer.group_metadata().state == MemberState.STABLE)

    def positions(self, lanes: Sequence[Lane]) -> Mapping[Lane, int]:
        """Asks for each; fixes "latest" here and now, not at the first fetch."""
        found = {}
        for lane in lanes:
            try:
                offset = self._consumer.position(TopicPartition(*lane), POSITION_TIMEOUT_MS)
            except IllegalStateError:  # it moved away meanwhile
                continue
            if offset is not None:
                found[lane] = offset
        return found

    def commit(self, offsets: Mapping[Lane, int]) -> None:
        """In the background."""
        self._ended = None
        self._committing = self._consumer.commit_async(_offsets(offsets))
        self._committing.add_callback(lambda _: self._end(offsets))
        self._committing.add_errback(lambda _: self._end({}))

    def committed(self) -> Mapping[Lane, int] | None:
        """What the last `commit` came to."""
        ended, self._ended = self._ended, None
        return ended

    def commit_now(self, offsets: Mapping[Lane, int]) -> None:
        """And wait for it; after an older one, which could otherwise overtake it."""
        until_s = time.monotonic() + CLOSE_TIMEOUT_MS / 1000
        while self._is_committing() and time.monotonic() < until_s:
            time.sleep(0.005)
        self._consumer.commit(_offsets(offsets), timeout_ms=CLOSE_TIMEOUT_MS)

    async def commit_in_order(self, offsets: Mapping[Lane, int]) -> None:
        """The same on kafka-python's I/O thread, where nothing may block."""
        if self._is_committing():
            with suppress(KafkaError):
                await self._committing
        await self._consumer.commit_async(_offsets(offsets))

    def _is_committing(self) -> bool:
        return self._committing is not None and not self._committing.is_done

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=CLOSE_TIMEOUT_MS)

    def passes(self, error: Exception) -> bool:
        """Anything but a refusal."""
        if isinstance(error, KafkaError):
            return error.retriable or not type(error).__name__.startswith(HOPELESS)
        return isinstance(error, OSError | LookupError)

    def _end(self, offsets: Mapping[Lane, int]) -> None:
        self._ended = offsets


class _Rebalance(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Awaited on kafka-python's I/O thread."""

    def __init__(self, source: KafkaSource, owner: Ownership) -> None:
        self._source = source
        self._owner = owner

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._owner.assigned(_lanes(assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        try:
            if offsets := self._owner.pending():
                await self._source.commit_in_order(offsets)
        except KafkaError as error:
            log.warning("not committed, so delivered again: %s", type(error).__name__)
        finally:
            self._owner.revoked(_lanes(revoked))

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        self._owner.revoked(_lanes(lost))  # they have a new owner: nothing of ours may be committed


def _lanes(partitions: Iterable[TopicPartition]) -> list[Lane]:
    return [Lane(each.topic, each.partition) for each in partitions]


def _offsets(offsets: Mapping[Lane, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {
        TopicPartition(*lane): OffsetAndMetadata(offset, "", -1) for lane, offset in offsets.items()
    }


def _message(record: Any) -> Message:
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        value=record.value or b"",
        headers={name: (value or b"").decode(errors="replace") for name, value in record.headers},
        timestamp_ms=record.timestamp,
    )
