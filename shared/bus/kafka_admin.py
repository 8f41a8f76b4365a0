"""Topics, lag and the broker's pulse through kafka-python's admin client, for both Kafka variants.

The client is opened when first needed and kept: opening one costs a thread, a connection and some
ten milliseconds, and `ping` is called every second.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import MemberToRemove, NewTopic, OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shared.bus.port import TopicSpec
from shared.errors import Unavailable

Result = TypeVar("Result")

HOUR_MS = 3_600_000
BOOTSTRAP_TIMEOUT_MS = 2_000
REQUEST_TIMEOUT_MS = 5_000
LAG_TIMEOUT_S = 10.0
GROUP_TIMEOUT_S = 3.0
RETRY_S = 0.3
# Kafka deletes closed segments only. Without this a quiet topic would keep its raw text for a week.
SEGMENTS_PER_RETENTION = 4


class KafkaAdmin:
    """The administrative half of a bus."""

    def __init__(self, servers: Sequence[str], client_id: str) -> None:
        self._servers = list(servers)
        self._client_id = client_id
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="kafka-admin")
        self._client: Any = None

    async def create_topics(self, topics: Sequence[TopicSpec], timeout_s: float) -> None:
        """Create what is missing; tries again until `timeout_s` while the broker is coming up."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                left_s = max(0.1, until_s - time.monotonic())
                return await self._ask(lambda client: _create(client, topics), left_s)
            except Unavailable:
                if time.monotonic() + RETRY_S > until_s:
                    raise
                await asyncio.sleep(RETRY_S)

    async def lag(self, group: str, topics: Sequence[str]) -> dict[str, int]:
        """Messages behind, per topic."""
        return await self._ask(lambda client: _lag(client, group, topics), LAG_TIMEOUT_S)

    async def members(self, group: str) -> Sequence[str]:
        """Client ids of a group's members."""
        found = await self._ask(lambda client: _members(client, group), GROUP_TIMEOUT_S)
        return [name for name, _ in found]

    async def evict(self, group: str, members: Collection[str]) -> None:
        """Leave the group on behalf of members, as the broker knows them now."""
        await self._ask(lambda client: _evict(client, group, members), GROUP_TIMEOUT_S)

    async def ping(self, timeout_s: float) -> bool:
        """Whether the broker answers within `timeout_s`."""
        try:
            await self._ask(lambda client: client.describe_cluster(), timeout_s)
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        """Let go."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.close)
        self._threads.shutdown(wait=False)

    async def _ask(self, question: Callable[[Any], Result], timeout_s: float) -> Result:
        loop = asyncio.get_running_loop()
        try:
            running = loop.run_in_executor(self._threads, self._answer, question)
            return await asyncio.wait_for(asyncio.shield(running), timeout_s)
        except TimeoutError:
            running.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise Unavailable(f"the broker did not answer within {timeout_s:.1f} s") from None
        except (KafkaError, OSError, RuntimeError) as error:
            raise Unavailable(f"the broker did not answer: {type(error).__name__}") from error

    def _answer(self, question: Callable[[Any], Result]) -> Result:
        if self._client is None:
            self._client = KafkaAdminClient(
                bootstrap_servers=self._servers,
                client_id=self._client_id,
                bootstrap_timeout_ms=BOOTSTRAP_TIMEOUT_MS,
                request_timeout_ms=REQUEST_TIMEOUT_MS,
                reconnect_backoff_max_ms=500,
            )
        return question(self._client)


def _create(client: Any, topics: Sequence[TopicSpec]) -> None:
    present = set(client.list_topics())
    missing = [_new_topic(spec) for spec in topics if spec.name not in present]
    if not missing:
        return
    with suppress(TopicAlreadyExistsError):  # several processes start at once, each makes sure
        client.create_topics(missing, timeout_ms=REQUEST_TIMEOUT_MS)
    client.wait_for_topics([topic.name for topic in missing])


def _new_topic(spec: TopicSpec) -> NewTopic:
    retention_ms = spec.retention_hours * HOUR_MS
    configs = {
        "max.message.bytes": str(spec.max_message_bytes),
        "cleanup.policy": "compact" if spec.compacted else "delete",
        "retention.ms": str(retention_ms),
        "segment.ms": str(retention_ms // SEGMENTS_PER_RETENTION),
    }
    return NewTopic(
        name=spec.name,
        num_partitions=spec.partitions,
        replication_factor=-1,  # the broker's default: 1 here, 3 on a cluster
        topic_configs=configs,
    )


def _members(client: Any, group: str) -> list[tuple[str, str]]:
    """(client id, member id) of each member."""
    described = client.describe_groups([group])[group]
    return [(each["client_id"], each["member_id"]) for each in described["members"]]


def _evict(client: Any, group: str, names: Collection[str]) -> None:
    leaving = [
        MemberToRemove(member_id=member_id, reason="its process is dead")
        for name, member_id in _members(client, group)
        if name in names
    ]
    if leaving:
        client.remove_group_members(group, leaving)


def _lag(client: Any, group: str, topics: Sequence[str]) -> dict[str, int]:
    lanes = [
        TopicPartition(described["name"], partition["partition_index"])
        for described in client.describe_topics(list(topics))
        for partition in described["partitions"]
    ]
    committed = client.list_group_offsets({group: lanes})[group] if lanes else {}
    ends = client.list_partition_offsets(dict.fromkeys(lanes, OffsetSpec.LATEST))
    starts = client.list_partition_offsets(dict.fromkeys(lanes, OffsetSpec.EARLIEST))
    behind = dict.fromkeys(topics, 0)
    for lane in lanes:
        known = committed.get(lane)
        done = known.offset if known is not None and known.offset >= 0 else starts[lane].offset
        behind[lane.topic] += max(0, ends[lane].offset - done)
    return behind
