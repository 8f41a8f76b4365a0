"""Reading and sending as the bus contract tests do it."""

import asyncio
import uuid
from collections.abc import Callable

from shared.bus import Bus, Message, Outgoing, Subscription, TopicSpec


async def new_topic(bus: Bus, partitions: int = 4, max_message_bytes: int = 1_000_000) -> str:
    """A topic of its own for one test."""
    name = f"t.{uuid.uuid4().hex[:12]}"
    await bus.create_topics([TopicSpec(name, partitions, max_message_bytes=max_message_bytes)])
    return name


def new_group() -> str:
    """A group nobody has used."""
    return f"g.{uuid.uuid4().hex[:12]}"


def numbered(topic: str, count: int, keys: int = 5, first: int = 0) -> list[Outgoing]:
    """Messages `first`, `first + 1`, … dealt over some keys."""
    return [
        Outgoing(topic, f"key-{number % keys}", str(number).encode())
        for number in range(first, first + count)
    ]


async def take(
    subscription: Subscription, count: int, timeout_s: float = 20.0, *, finish: bool = True
) -> list[Message]:
    """The next `count` messages, each marked done unless told otherwise."""
    taken: list[Message] = []

    async def read() -> None:
        async for message in subscription:
            taken.append(message)
            if finish:
                subscription.done(message)
            if len(taken) == count:
                return

    try:
        await asyncio.wait_for(read(), timeout_s)
    except TimeoutError:
        raise AssertionError(f"{len(taken)} of {count} messages in {timeout_s} s") from None
    return taken


class Reader:
    """Reads in the background and marks everything done; remembers what it saw."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.seen: list[Message] = []
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.subscription:
            self.seen.append(message)
            self.subscription.done(message)

    @property
    def values(self) -> list[int]:
        return [int(message.value) for message in self.seen]

    async def stop(self) -> None:
        """Leave the group; raises what ended the reading, if anything did."""
        await self.subscription.close()
        await asyncio.wait_for(self._task, 5.0)


async def until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    """Wait for a condition, or fail."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not come true within {timeout_s} s") from None


async def lag_of(bus: Bus, group: str, topic: str, expected: int, timeout_s: float = 15.0) -> None:
    """Wait until the group is `expected` messages behind."""
    behind = -1
    for _ in range(int(timeout_s / 0.2)):
        behind = (await bus.lag(group, [topic]))[topic]
        if behind == expected:
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"lag is {behind}, not {expected}")
