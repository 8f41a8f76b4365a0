"""Coverage reports: on demand, and kept every week (`weekly.py`)."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from services.history.coverage import report_of
from services.history.coverage_store import SqlCoverage, since
from shared.clock import Clock

log = logging.getLogger(__name__)

WEEK_DAYS = 7
TREND_WEEKS = 12


class Reporter:
    """Makes reports; the grouping runs in a thread, one report at a time."""

    def __init__(self, coverage: SqlCoverage, clock: Clock) -> None:
        self._coverage = coverage
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()

    async def coverage(self, tenant_id: str, days: int) -> dict[str, Any]:
        """The report of the last `days`, with the headlines of former weeks. Raises Unavailable."""
        async with self._one_at_a_time:
            seen = await self._coverage.observed(tenant_id, since(self._clock.unix_ms(), days))
            report = await asyncio.to_thread(report_of, seen, days)
        return {**report, "weeks": await self._coverage.weekly(tenant_id, TREND_WEEKS)}

    async def keep_weekly(self) -> int:
        """Make and keep the past week's report of every tenant; how many."""
        tenants = await self._coverage.tenants()
        for tenant_id in tenants:
            report = await self.coverage(tenant_id, WEEK_DAYS)
            report.pop("weeks")
            await self._coverage.keep_report(tenant_id, week_of(self._clock.unix_ms()), report)
            log.info("coverage of %s: %s", tenant_id, headline_of(report))
        return len(tenants)


def week_of(now_ms: int) -> str:
    """The ISO week that ended before now, e.g. `2026-W47` on the Monday after it."""
    day = datetime.fromtimestamp(now_ms / 1000, UTC) - timedelta(days=1)
    year, week, _ = day.isocalendar()
    return f"{year}-W{week:02}"


def headline_of(report: dict[str, Any]) -> str:
    """One line for the log: figures only, no customer's words."""
    share = report["answerable_share"]
    known = "no share yet" if share is None else f"{share:.0%} with a relevant passage"
    return (
        f"{report['questions']} questions, {known}, {report['total_gaps']} gaps, "
        f"{len(report['unused'])} articles unused, {len(report['disliked'])} disliked"
    )
