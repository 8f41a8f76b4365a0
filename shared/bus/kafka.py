"""The bus on Apache Kafka through kafka-python, the project's client.

Sending costs no thread of ours once a topic is known: `send` only appends to kafka-python's buffer,
its own thread does the rest and settles the receipt. Each subscription polls in a thread.
"""

import asyncio
import logging
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal

from kafka import KafkaConsumer, KafkaProducer
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError, MessageSizeTooLargeError

from shared.bus.kafka_admin import KafkaAdmin
from shared.bus.kafka_source import KafkaSource
from shared.bus.port import Outgoing, Subscription, TopicSpec
from shared.bus.receipts import MAX_BUFFERED, Receipt, SendBuffer
from shared.bus.sizes import SizeLimits, oversized
from shared.bus.threaded import ThreadedSubscription
from shared.errors import Unavailable

log = logging.getLogger(__name__)
# They write several errors a second while a broker is away; we say it once, in our own words.
for chatty in ("kafka.net", "kafka.cluster"):
    logging.getLogger(chatty).setLevel(logging.CRITICAL)

MAX_REQUEST_BYTES = 32_000_000  # the largest topic's messages, encrypted as a dead letter
# kafka-python goes on trying this long; `publish` gives up at its own timeout. Longer than the
# restart of a broker, so that a patient caller loses nothing to one.
DELIVERY_TIMEOUT_MS = 30_000
# How long a killed process keeps its partitions if nobody evicts it. Less would be quicker, but on
# two cores under load heartbeats come seconds late, and then a living member loses its partitions.
SESSION_TIMEOUT_S = 10.0
HEARTBEAT_MS = 1_000  # also how soon a member hears that partitions are dealt anew
RECONNECT = {"reconnect_backoff_ms": 50, "reconnect_backoff_max_ms": 500}


class KafkaBus:
    """A Bus on `servers` ("host:port[,host:port]")."""

    def __init__(
        self,
        servers: str,
        *,
        client_id: str = "switchboard",
        max_poll_interval_s: float = 300.0,
        session_timeout_s: float = SESSION_TIMEOUT_S,
        max_buffered: int = MAX_BUFFERED,
    ) -> None:
        self._servers = servers.split(",")
        self._client_id = client_id
        self._max_poll_interval_s = max_poll_interval_s
        self._session_timeout_ms = int(session_timeout_s * 1000)
        self._buffer = SendBuffer(max_buffered)
        self._sizes = SizeLimits()
        self._admin = KafkaAdmin(self._servers, client_id)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-send")
        self._producer: Any = None
        self._known: set[str] = set()  # topics whose partitions the producer knows
        self._subscriptions: list[ThreadedSubscription] = []
        self._closed = False

    async def publish(self, messages: Sequence[Outgoing], timeout_s: float = 5.0) -> None:
        """Send, and wait until all are acknowledged."""
        if self._closed:
            raise Unavailable("the bus is closed")
        self._sizes.check(messages)
        receipt = self._buffer.receipt(len(messages))
        try:
            async with asyncio.timeout(timeout_s):
                await self._hand_over(messages, receipt)
                await receipt.wait()
        except TimeoutError:
            raise Unavailable(f"the broker did not acknowledge within {timeout_s} s") from None
        except MessageSizeTooLargeError as error:
            self._replace_producer(error)
            if guilty := self._sizes.suspect(messages):
                raise oversized(guilty) from error
            raise Unavailable("a message beside ours was too large; ours was not sent") from error
        except (KafkaError, OSError) as error:
            self._replace_producer(error)
            raise Unavailable(f"the broker did not take it: {type(error).__name__}") from error

    async def _hand_over(self, messages: Sequence[Outgoing], receipt: Receipt) -> None:
        if self._producer is not None and all(m.topic in self._known for m in messages):
            self._send(messages, receipt)  # nothing here can block: no need for a thread
            return
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._send, messages, receipt)

    def _send(self, messages: Sequence[Outgoing], receipt: Receipt) -> None:
        sent = 0
        try:
            producer = self._open_producer()
            for message in messages:
                headers = [(name, value.encode()) for name, value in message.headers.items()]
                future = producer.send(message.topic, message.value, message.key.encode(), headers)
                sent += 1
                self._known.add(message.topic)
                future.add_callback(lambda _: receipt.settle())
                future.add_errback(receipt.settle)
        except BaseException as error:
            receipt.settle(error, len(messages) - sent)

    def _open_producer(self) -> Any:
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._servers,
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_block_ms=2_000,
                bootstrap_timeout_ms=2_000,
                delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                request_timeout_ms=5_000,
                max_request_size=MAX_REQUEST_BYTES,
                metrics_enabled=False,
                **RECONNECT,
            )
        return self._producer

    def _replace_producer(self, error: BaseException) -> None:
        """An idempotent producer that met a fatal error refuses everything from then on."""
        producer = self._producer
        if producer is None or getattr(error, "retriable", False):
            return
        log.warning("a new producer replaces one that failed: %s", type(error).__name__)
        self._producer = None
        self._known = set()
        self._thread.submit(producer.close, timeout=0)

    def subscribe(
        self,
        topics: Sequence[str],
        group: str | None,
        *,
        start: Literal["earliest", "latest"] = "earliest",
        max_in_flight: int = 64,
        member: str = "",
    ) -> Subscription:
        """Join a group, in the background; `positioned` tells when."""

        def open_consumer() -> Any:
            return self._open_consumer(group, start, member)

        source = KafkaSource(open_consumer, topics, group)
        subscription = ThreadedSubscription(
            source, topics, max_in_flight, commits=group is not None
        )
        self._subscriptions.append(subscription)
        return subscription

    def _open_consumer(self, group: str | None, start: str, member: str) -> Any:
        return KafkaConsumer(
            bootstrap_servers=self._servers,
            client_id=member or self._client_id,
            group_id=group,
            auto_offset_reset=start,
            enable_auto_commit=False,
            # Members keep what they have when another joins, and what they are working on with it.
            partition_assignment_strategy=[CooperativeStickyAssignor],
            session_timeout_ms=self._session_timeout_ms,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=int(self._max_poll_interval_s * 1000),
            bootstrap_timeout_ms=2_000,
            request_timeout_ms=15_000,
            # 100 ms made nothing quicker and doubled the CPU of an idle subscription.
            fetch_max_wait_ms=500,
            max_partition_fetch_bytes=MAX_REQUEST_BYTES,
            metadata_max_age_ms=30_000,
            metrics_enabled=False,
            **RECONNECT,
        )

    async def create_topics(self, topics: Sequence[TopicSpec], timeout_s: float = 15.0) -> None:
        """Create what is missing; the producer wakes up too, so that nobody's turn waits for it."""
        self._sizes.learn(topics)
        await self._admin.create_topics(topics, timeout_s)
        loop = asyncio.get_running_loop()
        with suppress(KafkaError, OSError):  # the first publish tries again
            await loop.run_in_executor(self._thread, self._open_producer)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Messages behind, per topic."""
        return await self._admin.lag(group, topics)

    async def members(self, group: str) -> Sequence[str]:
        """Names of a group's members."""
        return await self._admin.members(group)

    async def evict(self, group: str, members: Collection[str]) -> None:
        """Have members leave."""
        await self._admin.evict(group, members)

    async def ping(self, timeout_s: float = 1.0) -> bool:
        """Whether the broker answers."""
        return await self._admin.ping(timeout_s)

    async def close(self) -> None:
        """Leave the groups, send what is buffered, let go."""
        if self._closed:
            return
        self._closed = True
        await asyncio.gather(*(each.close() for each in self._subscriptions))
        if self._producer is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, lambda: self._producer.close(timeout=5))
        self._thread.shutdown(wait=False)
        await self._admin.close()
