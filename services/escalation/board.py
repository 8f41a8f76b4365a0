"""Wakes the dashboards of this process when something is new."""

import asyncio
from collections import defaultdict
from contextlib import suppress


class ChangeBoard:
    """A counter per tenant and a bell; the page's own poll finds changes of other processes."""

    def __init__(self) -> None:
        self._versions: defaultdict[str, int] = defaultdict(int)
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.closed = False

    def announce(self, tenant_id: str) -> None:
        self._versions[tenant_id] += 1
        self._bells.pop(tenant_id, asyncio.Event()).set()

    def version(self, tenant_id: str) -> int:
        """Counts announcements."""
        return self._versions[tenant_id]

    async def newer_than(self, tenant_id: str, version: int, timeout_s: float) -> int:
        """The version once it is above `version`, or as it is after `timeout_s`."""
        if self._versions[tenant_id] <= version and not self.closed:
            bell = self._bells[tenant_id]
            with suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), timeout_s)
        return self._versions[tenant_id]

    def close(self) -> None:
        """Let every waiting stream end, so that the server can stop."""
        self.closed = True
        for tenant_id in list(self._bells):
            self.announce(tenant_id)
