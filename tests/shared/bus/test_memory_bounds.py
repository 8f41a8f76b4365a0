"""What only the memory bus can be asked quickly: bounds, retention, compaction."""

import pytest

from shared.bus import TopicSpec
from shared.bus.memory import MemoryBus
from shared.clock import ManualClock
from shared.errors import Overloaded
from tests.contracts.bus_reading import numbered, take


async def test_a_partition_full_of_unfinished_work_is_overloaded() -> None:
    bus = MemoryBus(capacity=10)
    await bus.create_topics([TopicSpec("t", 1)])
    subscription = bus.subscribe(["t"], "g")
    await bus.publish(numbered("t", 10))
    with pytest.raises(Overloaded):
        await bus.publish(numbered("t", 1, first=10))
    await take(subscription, 4)
    await bus.publish(numbered("t", 4, first=10))
    assert [int(m.value) for m in await take(subscription, 10)] == list(range(4, 14))


async def test_a_refused_publish_leaves_nothing_behind() -> None:
    bus = MemoryBus(capacity=10)
    await bus.create_topics([TopicSpec("t", 1)])
    bus.subscribe(["t"], "g")
    with pytest.raises(Overloaded):
        await bus.publish(numbered("t", 11))
    assert await bus.lag("g", ["t"]) == {"t": 0}


async def test_messages_past_their_retention_are_gone() -> None:
    clock = ManualClock()
    bus = MemoryBus(clock=clock)
    await bus.create_topics([TopicSpec("t", 1, retention_hours=1)])
    await bus.publish(numbered("t", 2))
    clock.advance(3601)
    await bus.publish(numbered("t", 1, first=2))
    assert [int(m.value) for m in await take(bus.subscribe(["t"], "g"), 1)] == [2]


async def test_a_compacted_topic_keeps_the_newest_of_each_key() -> None:
    bus = MemoryBus(capacity=10)
    await bus.create_topics([TopicSpec("t", 1, compacted=True)])
    for first in range(0, 40, 5):
        await bus.publish(numbered("t", 5, keys=5, first=first))
    newest = {m.key: int(m.value) for m in await take(bus.subscribe(["t"], None), 10)}
    assert newest == {f"key-{number}": 35 + number for number in range(5)}
