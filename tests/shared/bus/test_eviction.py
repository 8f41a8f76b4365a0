"""A member whose process was killed: its partitions are free once it is evicted, not before."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator

import pytest

from shared.bus import Bus, open_bus
from tests.contracts.bus_reading import new_group, new_topic, numbered, take

pytestmark = pytest.mark.filterwarnings("ignore:(open|read)_text is deprecated:DeprecationWarning")

MEMBER = """
import asyncio, sys
from shared.bus import open_bus

async def main(url, topic, group):
    subscription = open_bus(url).subscribe([topic], group, member="doomed")
    async for message in subscription:
        print("got", message.value.decode(), flush=True)  # and never done

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(params=["kafka", "kafka+rd"])
async def url(request: pytest.FixtureRequest, kafka_url: str) -> str:
    return kafka_url.replace("kafka:", f"{request.param}:")


@pytest.fixture
async def bus(url: str) -> AsyncIterator[Bus]:
    opened = open_bus(url)
    yield opened
    await opened.close()


async def _killed_member(url: str, topic: str, group: str) -> None:
    arguments = [sys.executable, "-W", "ignore", "-c", MEMBER, url, topic, group]
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert await asyncio.wait_for(process.stdout.readline(), 20.0) == b"got 0\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()


async def test_a_killed_members_work_is_free_at_once_when_it_is_evicted(url: str, bus: Bus) -> None:
    topic, group = await new_topic(bus, partitions=1), new_group()
    await bus.publish(numbered(topic, 1))
    await _killed_member(url, topic, group)
    assert await bus.members(group) == ["doomed"]  # the broker waits for the end of its session
    began_s = time.monotonic()
    await bus.evict(group, ["doomed"])
    heir = bus.subscribe([topic], group, member="heir")
    assert [message.value for message in await take(heir, 1)] == [b"0"]
    assert time.monotonic() - began_s < 5.0  # a session lasts 10 s
    await heir.close()
