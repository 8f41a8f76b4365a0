"""Wakes the dashboards of this process when something is new."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from shared.events import PresenceNoticed

KEPT = 200  # notices a tenant; a dashboard that is further behind reads everything anew


@dataclass(frozen=True)
class Notice:
    """One thing for open dashboards; `presence` only for the kind of that name."""

    number: int  # counts the tenant's notices
    kind: Literal["changed", "presence"]
    presence: PresenceNoticed | None = None


class ChangeBoard:
    """The last notices of each tenant; the page's own poll finds changes of other processes."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(int)
        self._notices: defaultdict[str, deque[Notice]] = defaultdict(lambda: deque(maxlen=KEPT))
        self._bells: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.closed = False

    def announce(self, tenant_id: str) -> None:
        """A case of the tenant changed."""
        self._post(tenant_id, "changed")

    def notice(self, event: PresenceNoticed) -> None:
        """A customer types or has read."""
        self._post(event.tenant_id, "presence", event)

    def _post(
        self,
        tenant_id: str,
        kind: Literal["changed", "presence"],
        presence: PresenceNoticed | None = None,
    ) -> None:
        self._numbers[tenant_id] += 1
        self._notices[tenant_id].append(Notice(self._numbers[tenant_id], kind, presence))
        self._bells.pop(tenant_id, asyncio.Event()).set()

    def newest(self, tenant_id: str) -> int:
        """The number of the last notice."""
        return self._numbers[tenant_id]

    async def after(self, tenant_id: str, number: int, timeout_s: float) -> Sequence[Notice]:
        """Notices above `number`; none when `timeout_s` passes without any."""
        if self._numbers[tenant_id] <= number and not self.closed:
            bell = self._bells[tenant_id]
            with suppress(TimeoutError):
                await asyncio.wait_for(bell.wait(), timeout_s)
        found = [notice for notice in self._notices[tenant_id] if notice.number > number]
        if found and found[0].number > number + 1:  # the oldest ones fell off
            return [Notice(found[-1].number, "changed")]
        return found

    def close(self) -> None:
        """Let every waiting stream end, so that the server can stop."""
        self.closed = True
        for tenant_id in list(self._bells):
            self.announce(tenant_id)
