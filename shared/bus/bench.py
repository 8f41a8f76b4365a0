"""Latency and throughput of the bus variants, side by side in one run.

    python -m shared.bus.bench [--messages 400] [--bus kafka://host:port]

Without `--bus` it starts a broker of its own. One hop is publish → the reader has it; the chain
answers each message on the next topic, as services do, in one process and one event loop.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from shared.bus import Bus, Outgoing, Subscription, TopicSpec, open_bus

VARIANTS = ("memory", "kafka", "kafka+rd")
WARM_UP = 60  # the first messages to reach a partition wait close to a whole fetch
PACE_S = 0.005
HOPS = 3  # of a cached turn
BURST = 2_000
VALUE = b"x" * 1_000


@dataclass(frozen=True)
class Row:
    """What one variant achieved; latencies in ms, throughput in messages/s."""

    variant: str
    acknowledged: list[float]
    hop: list[float]
    chain: list[float]
    slow_first: float
    throughput: float


def percentile(values: list[float], percent: int) -> float:
    """The value that `percent` % of them do not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


async def measure(url: str, variant: str, messages: int) -> Row:
    """All measurements of one variant."""
    bus = open_bus(url)
    try:
        acknowledged, hop, slow_first = await one_hop(bus, messages)
        chain = await chained(bus, messages // 2)
        return Row(variant, acknowledged, hop, chain, slow_first, await burst(bus))
    finally:
        await bus.close()


async def _topics(bus: Bus, count: int) -> list[str]:
    names = [f"bench.{uuid.uuid4().hex[:8]}" for _ in range(count)]
    await bus.create_topics([TopicSpec(name) for name in names])
    return names


async def _reader(bus: Bus, topic: str) -> Subscription:
    subscription = bus.subscribe([topic], f"bench-{uuid.uuid4().hex[:8]}", max_in_flight=256)
    await subscription.positioned(30.0)
    return subscription


async def one_hop(bus: Bus, messages: int) -> tuple[list[float], list[float], float]:
    """Publish at a calm pace; when each is acknowledged, when each has arrived."""
    [topic] = await _topics(bus, 1)
    subscription = await _reader(bus, topic)
    total = WARM_UP + messages
    sent: list[float] = []
    acknowledged: list[float] = []
    arrived: dict[int, float] = {}

    async def read() -> None:
        async for message in subscription:
            arrived[int(message.key)] = time.perf_counter()
            subscription.done(message)
            if len(arrived) == total:
                return

    reading = asyncio.create_task(read())
    for number in range(total):
        sent.append(time.perf_counter())
        await bus.publish([Outgoing(topic, str(number), VALUE)], timeout_s=10.0)
        acknowledged.append((time.perf_counter() - sent[-1]) * 1000)
        await asyncio.sleep(PACE_S)
    await asyncio.wait_for(reading, 30.0)
    await subscription.close()
    hops = [(arrived[number] - sent[number]) * 1000 for number in range(total)]
    return acknowledged[WARM_UP:], hops[WARM_UP:], max(hops[:WARM_UP])


async def chained(bus: Bus, messages: int) -> list[float]:
    """From the first publish to the arrival after HOPS topics."""
    topics = await _topics(bus, HOPS)
    subscriptions = [await _reader(bus, topic) for topic in topics]
    over: asyncio.Queue[float] = asyncio.Queue()

    async def relay(subscription: Subscription, onward: str) -> None:
        async for message in subscription:
            await bus.publish([Outgoing(onward, message.key, message.value)])
            subscription.done(message)

    async def finish(subscription: Subscription) -> None:
        async for message in subscription:
            over.put_nowait(time.perf_counter())
            subscription.done(message)

    tasks = [
        asyncio.create_task(relay(subscription, onward))
        for subscription, onward in zip(subscriptions, topics[1:], strict=False)
    ]
    tasks.append(asyncio.create_task(finish(subscriptions[-1])))
    took = []
    for number in range(WARM_UP + messages):
        began = time.perf_counter()
        await bus.publish([Outgoing(topics[0], str(number), VALUE)])
        took.append((await asyncio.wait_for(over.get(), 30.0) - began) * 1000)
    for subscription in subscriptions:
        await subscription.close()
    await asyncio.gather(*tasks)
    return took[WARM_UP:]


async def burst(bus: Bus) -> float:
    """BURST messages as fast as they go, sent and read; messages a second."""
    [topic] = await _topics(bus, 1)
    subscription = await _reader(bus, topic)
    began = time.perf_counter()

    async def send() -> None:
        for first in range(0, BURST, 100):
            keys = map(str, range(first, first + 100))
            await bus.publish([Outgoing(topic, key, VALUE) for key in keys], timeout_s=30.0)

    sending = asyncio.create_task(send())
    left = BURST
    async for message in subscription:
        subscription.done(message)
        left -= 1
        if left == 0:
            break
    await sending
    took_s = time.perf_counter() - began
    await subscription.close()
    return BURST / took_s


def _cells(values: list[float]) -> str:
    return " ".join(f"{percentile(values, percent):7.1f}" for percent in (50, 95, 99))


def table(rows: list[Row]) -> str:
    """The rows as text."""
    head = (
        f"{'ms: p50 p95 p99':10} | {'acknowledged':^23} | {'one hop':^23} | "
        f"{f'{HOPS} hops':^23} | slowest of the first {WARM_UP} | messages/s"
    )
    lines = [
        f"{row.variant:15} | {_cells(row.acknowledged)} | {_cells(row.hop)} | "
        f"{_cells(row.chain)} | {row.slow_first:23.1f} | {row.throughput:10,.0f}"
        for row in rows
    ]
    return "\n".join([head, *lines])


async def compare(address: str, messages: int, variants: tuple[str, ...] = VARIANTS) -> list[Row]:
    """Every variant, one after the other, on the same broker."""
    urls = {name: "memory:" if name == "memory" else f"{name}://{address}" for name in variants}
    return [await measure(url, name, messages) for name, url in urls.items()]


def _own_broker() -> AbstractContextManager[Any]:
    """`shared` imports nothing of `infra`; a measurement may ask for it by name."""
    broker = import_module("infra.local.broker")
    folder = Path(tempfile.mkdtemp(prefix="bus-bench-"))
    running: AbstractContextManager[Any] = broker.running_broker(
        folder, broker.free_port(), broker.free_port()
    )
    return running


def main() -> None:
    """Parse the command line, start a broker if none is named, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--messages", type=int, default=400, help="measured, after the warm-up")
    parser.add_argument("--bus", default="", help="kafka://host:port of a running broker")
    arguments = parser.parse_args()
    if address := arguments.bus.partition("://")[2]:
        print(table(asyncio.run(compare(address, arguments.messages))))
        return
    with _own_broker() as own:
        print(table(asyncio.run(compare(own.address, arguments.messages))))


if __name__ == "__main__":
    main()
