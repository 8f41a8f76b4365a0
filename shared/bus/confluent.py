"""The bus on Apache Kafka through confluent-kafka (librdkafka): the same promises, less latency.

Partitions of keys are the same as kafka-python's (murmur2), so both clients can share topics.
"""

import asyncio
import threading
import uuid
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal

from confluent_kafka import KafkaError, KafkaException, Producer

from shared.bus.confluent_source import ConfluentSource
from shared.bus.kafka import (
    DELIVERY_TIMEOUT_MS,
    HEARTBEAT_MS,
    MAX_REQUEST_BYTES,
    SESSION_TIMEOUT_S,
)
from shared.bus.kafka_admin import KafkaAdmin
from shared.bus.port import Outgoing, Subscription, TopicSpec
from shared.bus.receipts import MAX_BUFFERED, Receipt, SendBuffer
from shared.bus.sizes import SizeLimits, oversized
from shared.bus.threaded import ThreadedSubscription
from shared.errors import Overloaded, Unavailable

SERVE_S = 0.1
CLOSE_TIMEOUT_S = 5.0


class ConfluentBus:
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
        self._client = {
            "bootstrap.servers": servers,
            "client.id": client_id,
            "reconnect.backoff.ms": 50,
            "reconnect.backoff.max.ms": 500,
            "log_level": 0,
        }
        self._max_poll_interval_s = max_poll_interval_s
        self._session_timeout_ms = int(session_timeout_s * 1000)
        self._buffer = SendBuffer(max_buffered)
        self._sizes = SizeLimits()
        self._admin = KafkaAdmin(servers.split(","), client_id)
        self._producer: Any = None
        self._subscriptions: list[ThreadedSubscription] = []
        self._closed = threading.Event()
        self._server = threading.Thread(target=self._serve, name="rd-send", daemon=True)

    async def publish(self, messages: Sequence[Outgoing], timeout_s: float = 5.0) -> None:
        """Send, and wait until all are acknowledged."""
        if self._closed.is_set():
            raise Unavailable("the bus is closed")
        self._sizes.check(messages)
        receipt = self._buffer.receipt(len(messages))
        self._send(messages, receipt)
        try:
            await asyncio.wait_for(receipt.wait(), timeout_s)
        except TimeoutError:
            raise Unavailable(f"the broker did not acknowledge within {timeout_s} s") from None
        except BufferError as error:
            raise Overloaded("the client's own buffer is full") from error
        except KafkaException as error:
            if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                guilty = self._sizes.suspect(messages) or messages[0]
                raise oversized(guilty) from error
            raise Unavailable(f"the broker did not take it: {error.args[0].name()}") from error

    def _send(self, messages: Sequence[Outgoing], receipt: Receipt) -> None:
        settle = _settler(receipt)
        sent = 0
        try:
            producer = self._open_producer()
            for message in messages:
                headers = [(name, value.encode()) for name, value in message.headers.items()]
                producer.produce(
                    message.topic,
                    message.value,
                    message.key.encode(),
                    headers=headers,
                    on_delivery=settle,
                )
                sent += 1
        except (KafkaException, BufferError) as error:
            receipt.settle(error, len(messages) - sent)

    def _open_producer(self) -> Any:
        if self._producer is None:
            self._producer = Producer(
                {
                    **self._client,
                    "acks": "all",
                    "enable.idempotence": True,
                    "linger.ms": 0,
                    "partitioner": "murmur2_random",
                    "message.timeout.ms": DELIVERY_TIMEOUT_MS,
                    "message.max.bytes": MAX_REQUEST_BYTES,
                }
            )
            self._server.start()
        return self._producer

    def _serve(self) -> None:
        """Deliver acknowledgements; librdkafka calls back only inside `poll`."""
        while not self._closed.is_set():
            self._producer.poll(SERVE_S)

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
        settings = {
            **self._client,
            **({"client.id": member} if member else {}),
            # librdkafka wants a name even from a reader that never joins nor commits.
            "group.id": group or f"reader-{uuid.uuid4()}",
            "auto.offset.reset": start,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": self._session_timeout_ms,
            "heartbeat.interval.ms": HEARTBEAT_MS,
            "max.poll.interval.ms": int(self._max_poll_interval_s * 1000),
            "fetch.queue.backoff.ms": 5,
            "fetch.message.max.bytes": MAX_REQUEST_BYTES,
            "queued.max.messages.kbytes": 65_536,
            "topic.metadata.refresh.interval.ms": 30_000,
        }
        source = ConfluentSource(settings, topics, group, start)
        subscription = ThreadedSubscription(
            source, topics, max_in_flight, commits=group is not None
        )
        self._subscriptions.append(subscription)
        return subscription

    async def create_topics(self, topics: Sequence[TopicSpec], timeout_s: float = 15.0) -> None:
        """Create what is missing; the producer wakes up too: its first message takes 500 ms."""
        self._sizes.learn(topics)
        await self._admin.create_topics(topics, timeout_s)
        self._open_producer()

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
        if self._closed.is_set():
            return
        await asyncio.gather(*(each.close() for each in self._subscriptions))
        if self._producer is not None:
            await asyncio.to_thread(self._producer.flush, CLOSE_TIMEOUT_S)
        self._closed.set()
        if self._server.is_alive():
            await asyncio.to_thread(self._server.join)
        await self._admin.close()


def _settler(receipt: Receipt) -> Callable[[Any, object], None]:
    def settle(error: Any, _: object) -> None:
        receipt.settle(KafkaException(error) if error is not None else None)

    return settle
