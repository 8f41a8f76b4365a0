"""A broker that dies and comes back, handlers that are slow: both clients, their own broker."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from infra.local.broker import RunningBroker, free_port, running_broker
from shared.bus import Bus
from shared.errors import Overloaded, Unavailable
from tests.contracts.bus_reading import (
    Reader,
    lag_of,
    new_group,
    new_topic,
    numbered,
    take,
    until,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated:DeprecationWarning"),
    # kafka-python leaves the socket of a refused connection to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBroker]:
    folder = tmp_path_factory.mktemp("mortal")
    with running_broker(folder, free_port(), free_port()) as started:
        yield started


@pytest.fixture
async def buses(broker: RunningBroker) -> AsyncIterator[list[Bus]]:
    from shared.bus.confluent import ConfluentBus  # here, where the filter above holds already
    from shared.bus.kafka import KafkaBus

    clients: list[Callable[..., Bus]] = [KafkaBus, ConfluentBus]
    opened = [
        client(broker.address, max_poll_interval_s=6.0, session_timeout_s=6.0, max_buffered=50)
        for client in clients
    ]
    yield opened
    await asyncio.gather(*(bus.close() for bus in opened))
    gc.collect()  # here, not in somebody else's test


async def _publish_patiently(bus: Bus, topic: str, total: int) -> None:
    for number in range(total):
        await bus.publish(numbered(topic, 1, first=number), timeout_s=30.0)
        await asyncio.sleep(0.02)


async def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(
    broker: RunningBroker, buses: list[Bus]
) -> None:
    topics = [await new_topic(bus) for bus in buses]
    readers = [
        Reader(bus.subscribe([topic], new_group()))
        for bus, topic in zip(buses, topics, strict=True)
    ]
    for reader in readers:
        await reader.subscription.positioned(20.0)
    sending = [
        asyncio.create_task(_publish_patiently(bus, topic, 80))
        for bus, topic in zip(buses, topics, strict=True)
    ]
    await until(lambda: all(len(reader.seen) > 10 for reader in readers))
    broker.kill()
    await asyncio.to_thread(broker.start)
    await asyncio.gather(*sending)  # every one was acknowledged in the end
    for reader in readers:
        await until(lambda reader=reader: set(reader.values) == set(range(80)), 40.0)
        await reader.stop()


async def test_a_broker_that_is_away_is_said_to_be_away(
    broker: RunningBroker, buses: list[Bus]
) -> None:
    topics = [await new_topic(bus) for bus in buses]
    for bus, topic in zip(buses, topics, strict=True):
        await bus.publish(numbered(topic, 1))
        assert await bus.ping()
    broker.kill()
    for bus, topic in zip(buses, topics, strict=True):
        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            await bus.publish(numbered(topic, 50, first=1), timeout_s=0.5)
        with pytest.raises(Overloaded):  # they wait in the bounded buffer for the broker
            await bus.publish(numbered(topic, 1, first=51), timeout_s=0.5)
        assert not await bus.ping(0.5)
        assert time.monotonic() - began_s < 3.0
    await asyncio.to_thread(broker.start)
    for bus, topic in zip(buses, topics, strict=True):
        subscription = bus.subscribe([topic], new_group())
        assert len(await take(subscription, 51, 40.0)) == 51
        await subscription.close()


async def test_a_slow_handler_outlives_the_poll_interval(buses: list[Bus]) -> None:
    async def handle_slowly(bus: Bus) -> None:
        topic, group = await new_topic(bus, partitions=1), new_group()
        await bus.publish(numbered(topic, 3))
        subscription = bus.subscribe([topic], group, max_in_flight=1)
        [first] = await take(subscription, 1, finish=False)
        await asyncio.sleep(8.0)  # longer than max_poll_interval_s
        subscription.done(first)
        rest = await take(subscription, 2)
        assert [int(message.value) for message in rest] == [1, 2]
        await lag_of(bus, group, topic, 0)
        await subscription.close()

    await asyncio.gather(*map(handle_slowly, buses))
