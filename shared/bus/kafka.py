"""The bus on Apache Kafka through kafka-python, the project's client.

kafka-python blocks, so sending runs in one thread and each subscription polls in a thread of its
own; results cross to the event loop by `call_soon_threadsafe`.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shared.bus.kafka_subscription import KafkaSubscription
from shared.bus.port import Outgoing, Subscription, TopicSpec
from shared.errors import Overloaded, Unavailable

Result = TypeVar("Result")

MAX_BUFFERED = 10_000  # messages handed over and not yet acknowledged; past it: Overloaded
MAX_REQUEST_BYTES = 32_000_000  # the largest topic's messages, encrypted as a dead letter
# Acknowledged or failed within this time, inside any caller's own timeout of 5 s.
DELIVERY_TIMEOUT_MS = 4_500


class KafkaBus:
    """A Bus on `servers` ("host:port[,host:port]")."""

    def __init__(
        self, servers: str, *, client_id: str = "switchboard", max_poll_interval_s: float = 300.0
    ) -> None:
        self._servers = servers.split(",")
        self._client_id = client_id
        self._max_poll_interval_s = max_poll_interval_s
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="kafka-send")
        self._admin_thread = ThreadPoolExecutor(1, thread_name_prefix="kafka-admin")
        self._producer: Any = None
        self._waiting = 0
        self._closed = threading.Event()

    def _open_producer(self) -> Any:
        if self._producer is None:
            self._producer = KafkaProducer(
                bootstrap_servers=self._servers,
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                max_block_ms=1_500,
                delivery_timeout_ms=DELIVERY_TIMEOUT_MS,
                request_timeout_ms=2_000,
                max_request_size=MAX_REQUEST_BYTES,
                reconnect_backoff_ms=50,
                reconnect_backoff_max_ms=500,
                metrics_enabled=False,
            )
        return self._producer

    async def publish(self, messages: Sequence[Outgoing], timeout_s: float = 5.0) -> None:
        if self._waiting + len(messages) > MAX_BUFFERED:
            raise Overloaded(f"{self._waiting} messages wait for the broker")
        self._waiting += len(messages)
        loop = asyncio.get_running_loop()
        acknowledged = [loop.create_future() for _ in messages]
        for future in acknowledged:
            future.add_done_callback(self._acknowledged)
        sending = loop.run_in_executor(self._threads, self._send, messages, acknowledged, loop)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(sending, *acknowledged)
        except TimeoutError:
            raise Unavailable(f"the broker did not acknowledge within {timeout_s} s") from None
        except (KafkaError, OSError, AssertionError) as error:
            raise Unavailable(f"the broker did not take it: {type(error).__name__}") from error
        finally:
            for future in acknowledged:
                future.cancel()

    def _acknowledged(self, future: "asyncio.Future[None]") -> None:
        self._waiting -= 1
        if not future.cancelled():
            future.exception()  # seen, also when publish gave up before

    def _send(
        self,
        messages: Sequence[Outgoing],
        acknowledged: "Sequence[asyncio.Future[None]]",
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        producer = self._open_producer()
        for message, future in zip(messages, acknowledged, strict=True):
            headers = [(name, value.encode()) for name, value in message.headers.items()]
            sent = producer.send(
                message.topic, value=message.value, key=message.key.encode(), headers=headers
            )
            sent.add_callback(lambda _, f=future: _settle(loop, f, None))
            sent.add_errback(lambda error, f=future: _settle(loop, f, error))

    def subscribe(
        self,
        topics: Sequence[str],
        group: str | None,
        *,
        start: Literal["earliest", "latest"] = "earliest",
        max_in_flight: int = 64,
    ) -> Subscription:
        def open_consumer() -> Any:
            return KafkaConsumer(
                bootstrap_servers=self._servers,
                client_id=self._client_id,
                group_id=group,
                auto_offset_reset=start,
                enable_auto_commit=False,
                # The least the broker allows: how long a killed process keeps its partitions.
                session_timeout_ms=6_000,
                heartbeat_interval_ms=1_500,
                max_poll_interval_ms=int(self._max_poll_interval_s * 1000),
                fetch_max_wait_ms=100,
                max_partition_fetch_bytes=MAX_REQUEST_BYTES,
                max_poll_records=max_in_flight,
                metadata_max_age_ms=30_000,
                reconnect_backoff_ms=50,
                reconnect_backoff_max_ms=500,
                metrics_enabled=False,
            )

        return KafkaSubscription(open_consumer, topics, group, max_in_flight)

    async def create_topics(self, topics: Sequence[TopicSpec], timeout_s: float = 15.0) -> None:
        await self._with_admin(lambda admin: _create(admin, topics), timeout_s)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        return await self._in_admin_thread(lambda: self._lag(group, topics), 10.0)

    def _lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        consumer = KafkaConsumer(
            bootstrap_servers=self._servers, group_id=group, enable_auto_commit=False
        )
        try:
            behind = {}
            for topic in topics:
                lanes = [
                    TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic) or ()
                ]
                ends = consumer.end_offsets(lanes) if lanes else {}
                behind[topic] = sum(
                    end - (consumer.committed(lane) or 0) for lane, end in ends.items()
                )
            return behind
        finally:
            consumer.close()

    async def ping(self, timeout_s: float = 1.0) -> bool:
        try:
            await self._with_admin(lambda admin: admin.list_topics(), timeout_s)
        except Unavailable:
            return False
        return True

    async def _with_admin(self, work: Callable[[Any], Result], timeout_s: float) -> Result:
        def run() -> Result:
            admin = KafkaAdminClient(
                bootstrap_servers=self._servers,
                client_id=self._client_id,
                request_timeout_ms=max(1_000, int(timeout_s * 1000)),
                bootstrap_timeout_ms=int(timeout_s * 1000),
            )
            try:
                return work(admin)
            finally:
                admin.close()

        return await self._in_admin_thread(run, timeout_s)

    async def _in_admin_thread(self, work: Callable[[], Result], timeout_s: float) -> Result:
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._admin_thread, work)
        try:
            return await asyncio.wait_for(asyncio.shield(running), timeout_s)
        except TimeoutError:
            running.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Unavailable(f"the broker did not answer within {timeout_s} s") from None
        except (KafkaError, OSError, ValueError) as error:
            raise Unavailable(f"the broker did not answer: {type(error).__name__}") from error

    async def close(self) -> None:
        loop = asyncio.get_running_loop()
        if self._producer is not None:
            await loop.run_in_executor(self._threads, lambda: self._producer.close(timeout=5))
        self._threads.shutdown(wait=False)
        self._admin_thread.shutdown(wait=False)


def _settle(
    loop: asyncio.AbstractEventLoop,
    future: "asyncio.Future[None]",
    error: BaseException | None,
) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


def _create(admin: Any, topics: Sequence[TopicSpec]) -> None:
    present = set(admin.list_topics())
    missing = [_new_topic(spec) for spec in topics if spec.name not in present]
    if not missing:
        return
    try:
        admin.create_topics(missing)
    except TopicAlreadyExistsError:
        return  # several processes start at once, each makes sure


def _new_topic(spec: TopicSpec) -> NewTopic:
    configs = {
        "max.message.bytes": str(spec.max_message_bytes),
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(spec.retention_hours * 3_600_000),
    }
    return NewTopic(
        name=spec.name,
        num_partitions=spec.partitions,
        replication_factor=-1,  # the broker's default: 1 here, 3 on a cluster
        topic_configs=configs,
    )
