"""confluent-kafka's consumer behind `Source`. Its callbacks run inside `poll`."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_STORED, Consumer, KafkaError, KafkaException, TopicPartition

from shared.bus.port import Message
from shared.bus.progress import Lane
from shared.bus.source import Ownership

log = logging.getLogger(__name__)

METADATA_TIMEOUT_S = 5.0
POSITION_TIMEOUT_S = 2.0


class ConfluentSource:
    """A consumer of `topics`; `group=None` assigns itself every partition."""

    def __init__(
        self, settings: Mapping[str, object], topics: Sequence[str], group: str | None, start: str
    ) -> None:
        self._settings = settings
        self._topics = list(topics)
        self._group = group
        self._start = start
        self._consumer: Any = None
        self._owner: Ownership
        self._ended: Mapping[Lane, int] | None = None

    def open(self, owner: Ownership) -> None:
        """Connect; joining the group happens in the first polls."""
        self._owner = owner
        if self._consumer is None:
            self._consumer = Consumer({**self._settings, "on_commit": self._on_commit})
        if self._group is not None:
            self._consumer.subscribe(
                self._topics,
                on_assign=lambda _, lanes: self._on_assign(lanes),
                on_revoke=lambda _, lanes: self._on_revoke(lanes),
                on_lost=lambda _, lanes: owner.revoked(_lanes(lanes)),
            )
            return
        lanes = [lane for topic in self._topics for lane in self._partitions(topic)]
        self._on_assign([TopicPartition(*lane) for lane in lanes])

    def poll(self, most: int, timeout_s: float) -> Sequence[Message]:
        """At most `most` messages; the first one does not wait for the second."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        found = [first]
        if most > 1:
            found += self._consumer.consume(most - 1, 0)
        return [message for record in found if (message := _message(record)) is not None]

    def pause(self) -> None:
        """Fetch nothing; the member stays in its group."""
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume(self._consumer.assignment())

    def joined(self) -> bool:
        """Whether the group has dealt its partitions."""
        return self._group is None or bool(self._consumer.memberid())

    def positions(self, lanes: Sequence[Lane]) -> Mapping[Lane, int]:
        """For lanes whose starting point was not to be had while they were assigned."""
        found = self._starting_points(lanes)
        for each in _offsets(found):
            self._consumer.seek(each)
        return found

    def commit(self, offsets: Mapping[Lane, int]) -> None:
        """In the background; `_on_commit` hears of it inside a later poll."""
        self._ended = None
        self._consumer.commit(offsets=_offsets(offsets), asynchronous=True)

    def committed(self) -> Mapping[Lane, int] | None:
        """What the last `commit` came to."""
        ended, self._ended = self._ended, None
        return ended

    def commit_now(self, offsets: Mapping[Lane, int]) -> None:
        """And wait for it."""
        self._consumer.commit(offsets=_offsets(offsets), asynchronous=False)

    def close(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            self._consumer.close()

    def passes(self, error: Exception) -> bool:
        """Anything librdkafka does not call fatal: it mends itself."""
        if isinstance(error, KafkaException):
            return not error.args[0].fatal()
        return isinstance(error, LookupError)

    def _partitions(self, topic: str) -> list[Lane]:
        found = self._consumer.list_topics(topic, METADATA_TIMEOUT_S).topics[topic]
        if found.error is not None or not found.partitions:
            raise LookupError(f"{topic} does not exist yet")
        return [Lane(topic, partition) for partition in found.partitions]

    # Nothing may be raised out of a callback: librdkafka's binding hands such an error on as an
    # object that is no exception, and `except BaseException` does not see it.

    def _on_assign(self, assigned: Sequence[TopicPartition]) -> None:
        """Fix where each lane begins, so that "latest" means now and not the first fetch."""
        lanes = _lanes(assigned)
        found = self._starting_points(lanes)
        started = _offsets({lane: found.get(lane, OFFSET_STORED) for lane in lanes})
        if self._group is None:
            self._consumer.assign(started)
        elif lanes:
            self._consumer.incremental_assign(started)
        self._owner.assigned(lanes)
        self._owner.located(found)

    def _starting_points(self, lanes: Sequence[Lane]) -> dict[Lane, int]:
        found: dict[Lane, int] = {}
        try:
            if self._group is not None and lanes:
                wanted = [TopicPartition(*lane) for lane in lanes]
                for each in self._consumer.committed(wanted, POSITION_TIMEOUT_S):
                    if each.error is None and each.offset >= 0:
                        found[Lane(each.topic, each.partition)] = each.offset
            for lane in lanes:
                if lane not in found:
                    found[lane] = self._edge(lane)
        except KafkaException as error:
            log.warning("where to begin is not known yet: %s", error)
        return found

    def _edge(self, lane: Lane) -> int:
        ends = self._consumer.get_watermark_offsets(TopicPartition(*lane), POSITION_TIMEOUT_S)
        if ends is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        return int(ends[0] if self._start == "earliest" else ends[1])

    def _on_revoke(self, revoked: Sequence[TopicPartition]) -> None:
        try:
            if offsets := self._owner.pending():
                self.commit_now(offsets)
        except KafkaException as error:
            log.warning("not committed, so delivered again: %s", error)
        finally:
            self._owner.revoked(_lanes(revoked))

    def _on_commit(self, error: KafkaError | None, offsets: Sequence[TopicPartition]) -> None:
        failed = error is not None or any(each.error is not None for each in offsets)
        self._ended = {} if failed else {Lane(o.topic, o.partition): o.offset for o in offsets}


def _lanes(partitions: Iterable[TopicPartition]) -> list[Lane]:
    return [Lane(each.topic, each.partition) for each in partitions]


def _offsets(offsets: Mapping[Lane, int]) -> list[TopicPartition]:
    return [TopicPartition(lane.topic, lane.partition, at) for lane, at in offsets.items()]


def _message(record: Any) -> Message | None:
    """None for what librdkafka reports in the place of a message and mends by itself."""
    if (error := record.error()) is not None:
        if error.fatal():
            raise KafkaException(error)
        return None
    return Message(
        topic=record.topic(),
        partition=record.partition(),
        offset=record.offset(),
        key=(record.key() or b"").decode(errors="replace"),
        value=record.value() or b"",
        headers={name: (v or b"").decode(errors="replace") for name, v in record.headers() or ()},
        timestamp_ms=record.timestamp()[1],
    )
