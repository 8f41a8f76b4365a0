"""What every bus promises, asked of all variants: in memory and on a real broker."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator

import pytest

from shared.bus import Bus, Outgoing, open_bus
from shared.errors import InvalidEvent, Unavailable
from tests.contracts.bus_reading import (
    Reader,
    lag_of,
    new_group,
    new_topic,
    numbered,
    take,
    until,
)

# kafka-python 3.0 reads its schemas by functions that Python 3.11 and 3.12 call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated:DeprecationWarning")

VARIANTS = ["memory", "kafka", "kafka+rd"]


@pytest.fixture(params=VARIANTS)
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    url = "memory:"
    if request.param != "memory":
        url = str(request.getfixturevalue("kafka_url")).replace("kafka:", f"{request.param}:")
    opened = open_bus(url)
    yield opened
    await opened.close()


async def test_messages_of_one_key_arrive_in_the_order_they_were_sent(bus: Bus) -> None:
    topic = await new_topic(bus)
    for first in range(0, 200, 20):
        await bus.publish(numbered(topic, 20, first=first))
    subscription = bus.subscribe([topic], new_group())
    by_key = defaultdict(list)
    for message in await take(subscription, 200):
        by_key[message.key].append(int(message.value))
    assert len(by_key) == 5
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    await subscription.close()


async def test_a_message_arrives_as_it_was_sent(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.publish([Outgoing(topic, "Ärger", b"\xff\x00bad", {"traceparent": "00-é"})])
    subscription = bus.subscribe([topic], new_group())
    [message] = await take(subscription, 1)
    assert (message.topic, message.key, message.value) == (topic, "Ärger", b"\xff\x00bad")
    assert message.headers == {"traceparent": "00-é"}
    assert message.timestamp_ms > 1_700_000_000_000
    await subscription.close()


async def test_two_groups_each_see_everything(bus: Bus) -> None:
    topic = await new_topic(bus)
    readers = [Reader(bus.subscribe([topic], new_group())) for _ in range(2)]
    await bus.publish(numbered(topic, 40))
    await until(lambda: all(len(reader.seen) == 40 for reader in readers))
    for reader in readers:
        await reader.stop()


async def test_two_members_share_the_work_of_a_group(bus: Bus) -> None:
    topic, group = await new_topic(bus), new_group()
    readers = [Reader(bus.subscribe([topic], group)) for _ in range(2)]
    for first in range(0, 8000, 40):  # dealing partitions may take two heartbeats
        await bus.publish(numbered(topic, 40, keys=40, first=first))
        if all(reader.seen for reader in readers):
            break
        await asyncio.sleep(0.1)
    sent = first + 40
    await until(lambda: {*readers[0].values, *readers[1].values} == set(range(sent)))
    assert all(reader.seen for reader in readers)
    for reader in readers:
        await reader.stop()


async def test_a_member_without_partitions_is_ready_too(bus: Bus) -> None:
    topic, group = await new_topic(bus, partitions=1), new_group()
    readers = [Reader(bus.subscribe([topic], group)) for _ in range(2)]
    for reader in readers:
        await reader.subscription.positioned(20.0)
    for reader in readers:
        await reader.stop()


async def test_a_member_that_left_hands_its_work_to_the_other(bus: Bus) -> None:
    topic, group = await new_topic(bus), new_group()
    stays, leaves = (Reader(bus.subscribe([topic], group)) for _ in range(2))
    await stays.subscription.positioned(20.0)
    await leaves.subscription.positioned(20.0)
    await leaves.stop()
    await bus.publish(numbered(topic, 40))
    await until(lambda: set(stays.values) >= set(range(40)))
    await lag_of(bus, group, topic, 0)
    await stays.stop()


async def test_members_of_a_group_are_known_by_name(bus: Bus) -> None:
    topic, group = await new_topic(bus), new_group()
    assert await bus.members(group) == []
    subscription = bus.subscribe([topic], group, member="cache-here-1")
    await subscription.positioned(20.0)
    assert await bus.members(group) == ["cache-here-1"]
    await subscription.close()
    assert await bus.members(group) == []


async def test_the_work_of_an_evicted_member_goes_to_the_others(bus: Bus) -> None:
    topic, group = await new_topic(bus, partitions=1), new_group()
    await bus.publish(numbered(topic, 3))
    hung = bus.subscribe([topic], group, member="hung")
    await take(hung, 3, finish=False)
    heir = bus.subscribe([topic], group, member="heir")
    await bus.evict(group, ["hung"])
    assert [int(m.value) for m in await take(heir, 3, 8.0)] == [0, 1, 2]
    await heir.close()
    await hung.close()


async def test_a_living_member_that_was_evicted_comes_back(bus: Bus) -> None:
    topic, group = await new_topic(bus, partitions=1), new_group()
    reader = Reader(bus.subscribe([topic], group, member="alive"))
    await reader.subscription.positioned(20.0)
    await bus.evict(group, ["alive", "nobody"])
    await bus.publish(numbered(topic, 3))
    await until(lambda: set(reader.values) == {0, 1, 2})
    async with asyncio.timeout(10.0):
        while await bus.members(group) != ["alive"]:
            await asyncio.sleep(0.05)
    await reader.stop()


async def test_what_was_not_done_is_delivered_again(bus: Bus) -> None:
    topic, group = await new_topic(bus, partitions=1), new_group()
    await bus.publish(numbered(topic, 10))
    first = bus.subscribe([topic], group)
    taken = await take(first, 10, finish=False)
    for message in taken[:4] + taken[5:]:
        first.done(message)  # number 4 is missing
    await first.close()
    second = bus.subscribe([topic], group)
    again = await take(second, 6)
    assert [int(message.value) for message in again] == [4, 5, 6, 7, 8, 9]
    await second.close()


async def test_what_is_done_is_not_delivered_again(bus: Bus) -> None:
    topic, group = await new_topic(bus), new_group()
    await bus.publish(numbered(topic, 10))
    first = bus.subscribe([topic], group)
    await take(first, 10)
    await first.close()
    await bus.publish(numbered(topic, 1, first=10))
    second = bus.subscribe([topic], group)
    assert [int(message.value) for message in await take(second, 1)] == [10]
    await second.close()


async def test_work_that_moved_to_another_member_is_not_committed_by_its_old_owner(
    bus: Bus,
) -> None:
    topic, group = await new_topic(bus, partitions=2), new_group()
    await bus.publish(numbered(topic, 40, keys=40))
    old = bus.subscribe([topic], group)
    held = await take(old, 40, finish=False)
    for lane in (0, 1):  # something to commit when a partition moves
        old.done(next(message for message in held if message.partition == lane))
    new = bus.subscribe([topic], group)
    moved = (await take(new, 1, finish=False))[0].partition
    for message in held:
        old.done(message)
    await asyncio.sleep(1.0)  # several commit intervals
    await new.close()
    await old.close()
    heir = bus.subscribe([topic], group)
    expected = [m.value for m in held if m.partition == moved][1:]
    assert [m.value for m in await take(heir, len(expected))] == expected
    await heir.close()


async def test_a_group_that_starts_at_the_latest_sees_only_what_comes_after(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.publish(numbered(topic, 5))
    subscription = bus.subscribe([topic], new_group(), start="latest")
    await subscription.positioned(20.0)
    await bus.publish(numbered(topic, 5, first=100))
    assert sorted(int(m.value) for m in await take(subscription, 5)) == list(range(100, 105))
    await subscription.close()


async def test_readers_without_a_group_all_see_everything(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.publish(numbered(topic, 3))
    late = [Reader(bus.subscribe([topic], None, start="latest")) for _ in range(2)]
    early = Reader(bus.subscribe([topic], None, start="earliest"))
    for reader in [*late, early]:
        await reader.subscription.positioned(20.0)
    await bus.publish(numbered(topic, 3, first=3))
    await until(lambda: all(sorted(reader.values) == [3, 4, 5] for reader in late))
    await until(lambda: sorted(early.values) == [0, 1, 2, 3, 4, 5])
    for reader in [*late, early]:
        await reader.stop()


async def test_no_more_than_max_in_flight_messages_are_out_at_once(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.publish(numbered(topic, 60))
    subscription = bus.subscribe([topic], new_group(), max_in_flight=7)
    out = await take(subscription, 7, finish=False)
    with pytest.raises(AssertionError, match="0 of 1"):
        await take(subscription, 1, 1.0)
    subscription.done(out[0])
    out += await take(subscription, 1, finish=False)
    with pytest.raises(AssertionError, match="0 of 1"):
        await take(subscription, 1, 0.5)
    for message in out[1:]:
        subscription.done(message)
    await take(subscription, 60 - 8)
    await subscription.close()


async def test_lag_counts_what_a_group_has_not_done(bus: Bus) -> None:
    topic, group = await new_topic(bus), new_group()
    await bus.publish(numbered(topic, 12))
    assert await bus.lag(group, [topic]) == {topic: 12}
    subscription = bus.subscribe([topic], group)
    await take(subscription, 12)
    await lag_of(bus, group, topic, 0)
    await subscription.close()


async def test_a_message_past_the_topics_limit_is_refused_for_good(bus: Bus) -> None:
    topic = await new_topic(bus, max_message_bytes=2_000)
    with pytest.raises(InvalidEvent):
        await bus.publish([Outgoing(topic, "k", b"x" * 5_000)])
    await bus.publish([Outgoing(topic, "k", b"small")])


async def test_creating_a_topic_twice_changes_nothing(bus: Bus) -> None:
    topic = await new_topic(bus)
    await bus.publish(numbered(topic, 1))
    await bus.create_topics([])
    subscription = bus.subscribe([topic], new_group())
    await take(subscription, 1)
    await subscription.close()


async def test_closing_ends_the_iteration(bus: Bus) -> None:
    subscription = bus.subscribe([await new_topic(bus)], new_group())
    reading = asyncio.create_task(take(subscription, 1))
    await subscription.positioned(20.0)
    await subscription.close()
    assert await asyncio.wait_for(reading, 5.0) == []


async def test_a_closed_bus_takes_nothing(bus: Bus) -> None:
    topic = await new_topic(bus)
    assert await bus.ping()
    await bus.close()
    with pytest.raises(Unavailable):
        await bus.publish(numbered(topic, 1))
