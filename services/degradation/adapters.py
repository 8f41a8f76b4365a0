"""Finding out whether a process is dead, and taking its partitions from it."""

import asyncio
import logging

from services.degradation.core import COVERED
from shared.bus.port import Bus
from shared.errors import Unavailable

log = logging.getLogger(__name__)

KNOCK_TIMEOUT_S = 0.3


class TcpDoors:
    """A refused connection is proof: the kernel closes a dead process's port at once.

    Anything else (no answer, no route) proves nothing, and silence has to decide.
    """

    async def is_shut(self, address: str) -> bool:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(KNOCK_TIMEOUT_S):
                _, writer = await asyncio.open_connection(host, int(port))
        except ConnectionRefusedError:
            return True
        except (OSError, TimeoutError, ValueError):
            return False
        writer.close()
        return False


class BusGroups:
    """Groups on the broker. A controller also holds partitions of those it stood in for."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def evict(self, service: str, instance: str) -> bool:
        groups = {service, *COVERED} if service == "degradation" else {service}
        try:
            for group in sorted(groups):
                await self._bus.evict(group, [instance])
        except Unavailable as error:
            log.warning("%s keeps its partitions for now: %s", instance, error)
            return False
        return True
