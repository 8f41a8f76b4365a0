"""One member of a Kafka consumer group: a thread that polls, an async iterator that delivers."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any

from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from shared.bus.port import Message
from shared.bus.progress import Lane, Ledger
from shared.errors import Unavailable

log = logging.getLogger(__name__)

POLL_MS = 50
COMMIT_EVERY_S = 0.2
RETRY_S = 0.5  # between two attempts to reach a broker that is away


class KafkaSubscription:
    """Polls without a break, so it stays in its group however long handlers take.

    At `max_in_flight` messages out, partitions are paused; polling goes on for the heartbeat.
    """

    def __init__(
        self,
        open_consumer: Callable[[], Any],
        topics: Sequence[str],
        group: str | None,
        max_in_flight: int,
    ) -> None:
        self._open_consumer = open_consumer
        self._topics = list(topics)
        self._commits = group is not None
        self._max_in_flight = max_in_flight
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._positioned = asyncio.Event()
        self._failure: BaseException | None = None
        self._ledger = Ledger()
        self._lock = threading.Lock()  # guards the ledger between the loop and the poll thread
        self._stopping = threading.Event()
        self._committed_at_s = 0.0
        self._thread = threading.Thread(target=self._run, name="kafka-poll", daemon=True)
        self._thread.start()

    async def __aiter__(self) -> AsyncIterator[Message]:
        while True:
            while self._ready:
                message = self._ready.popleft()
                with self._lock:
                    wanted = Lane(message.topic, message.partition) in self._ledger.lanes
                if wanted or not self._commits:
                    yield message
            if self._failure is not None:
                raise self._failure
            if self._stopping.is_set():
                return
            self._arrived.clear()
            await self._arrived.wait()

    def done(self, message: Message) -> None:
        with self._lock:
            self._ledger.done(Lane(message.topic, message.partition), message.offset)

    async def positioned(self, timeout_s: float) -> None:
        try:
            await asyncio.wait_for(self._positioned.wait(), timeout_s)
        except TimeoutError:
            raise Unavailable(f"no partitions of {self._topics} within {timeout_s} s") from None

    async def close(self) -> None:
        self._stopping.set()
        self._arrived.set()
        await asyncio.to_thread(self._thread.join, 15.0)

    # --- the poll thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._poll_until_stopped()
        except BaseException as error:
            log.exception("the poll thread ended")
            self._failure = error
            self._on_loop(self._arrived.set)

    def _poll_until_stopped(self) -> None:
        consumer = self._connect()
        if consumer is None:
            return
        try:
            while not self._stopping.is_set():
                self._hold_back(consumer)
                try:
                    found = consumer.poll(timeout_ms=POLL_MS)
                    self._deliver(consumer, found)
                    self._commit_now_and_then(consumer)
                except KafkaError as error:
                    if not _passes(error):
                        raise
                    log.warning("broker away: %s", type(error).__name__)
                    time.sleep(RETRY_S)
        finally:
            self._leave(consumer)

    def _connect(self) -> Any | None:
        while not self._stopping.is_set():
            try:
                consumer = self._open_consumer()
                consumer.subscribe(self._topics, listener=_Rebalance(self, consumer))
                return consumer
            except (KafkaError, OSError) as error:
                log.warning("broker away: %s", type(error).__name__)
                self._stopping.wait(RETRY_S)
        return None

    def _hold_back(self, consumer: Any) -> None:
        with self._lock:
            full = self._ledger.in_flight >= self._max_in_flight
        assigned, paused = consumer.assignment(), consumer.paused()
        if full and assigned - paused:
            consumer.pause(*assigned)
        elif not full and paused:
            consumer.resume(*paused)

    def _deliver(self, consumer: Any, found: Mapping[TopicPartition, Iterable[Any]]) -> None:
        messages = [_message(record) for records in found.values() for record in records]
        with self._lock:
            for message in messages:
                self._ledger.delivered(Lane(message.topic, message.partition), message.offset)
        if messages:
            self._on_loop(lambda: self._take(messages))
        if not self._positioned.is_set() and consumer.assignment():
            for partition in consumer.assignment():
                consumer.position(partition)  # fixes "latest" here and now, not at the first fetch
            self._on_loop(self._positioned.set)

    def _take(self, messages: list[Message]) -> None:
        self._ready.extend(messages)
        self._arrived.set()

    def _commit_now_and_then(self, consumer: Any) -> None:
        if not self._commits or time.monotonic() - self._committed_at_s < COMMIT_EVERY_S:
            return
        self._committed_at_s = time.monotonic()
        with self._lock:
            pending = self._ledger.pending()
            self._ledger.committed(pending)  # a failed commit is repeated by the next one
        if pending:
            consumer.commit_async(_offsets(pending))

    def _commit_all(self, consumer: Any) -> None:
        with self._lock:
            pending = self._ledger.pending()
        if not (self._commits and pending):
            return
        try:
            consumer.commit(_offsets(pending), timeout_ms=3_000)
        except (KafkaError, OSError) as error:
            log.warning("not committed, will be redelivered: %s", type(error).__name__)

    def _leave(self, consumer: Any) -> None:
        self._commit_all(consumer)
        try:
            consumer.close(autocommit=False, timeout_ms=3_000)
        except (KafkaError, OSError, TypeError):
            log.warning("left the group without a word")

    def assigned(self, consumer: Any, partitions: Iterable[TopicPartition]) -> None:
        """New lanes: read from what the group knows."""
        with self._lock:
            for partition in partitions:
                self._ledger.assign(Lane(partition.topic, partition.partition))

    def revoked(self, consumer: Any, partitions: Iterable[TopicPartition]) -> None:
        """Lanes go to somebody else: commit what is done, forget the rest."""
        self._commit_all(consumer)
        with self._lock:
            self._ledger.revoke([Lane(p.topic, p.partition) for p in partitions])

    def _on_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python has no types
    """Tells the subscription what it gains and loses; called inside `poll`."""

    def __init__(self, subscription: KafkaSubscription, consumer: Any) -> None:
        self._subscription = subscription
        self._consumer = consumer

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._subscription.assigned(self._consumer, assigned)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        self._subscription.revoked(self._consumer, revoked)


def _message(record: Any) -> Message:
    headers = {name: value.decode(errors="replace") for name, value in record.headers}
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="replace"),
        value=record.value or b"",
        headers=headers,
        timestamp_ms=record.timestamp,
    )


def _offsets(pending: Mapping[Lane, int]) -> dict[TopicPartition, OffsetAndMetadata]:
    return {
        TopicPartition(lane.topic, lane.partition): OffsetAndMetadata(offset, "", -1)
        for lane, offset in pending.items()
    }


def _passes(error: KafkaError) -> bool:
    """Whether waiting can help; an authentication or a version error stays."""
    return bool(getattr(error, "retriable", False)) or not type(error).__name__.startswith(
        ("Unsupported", "Authentication", "Authorization")
    )
