"""Celery task: keep the past week's coverage report. Scheduled in `services/jobs.py`."""

import asyncio

from services.history.coverage_store import SqlCoverage
from services.history.reports import Reporter
from services.jobs import app
from shared.clock import SystemClock
from shared.database import open_database
from shared.settings import Settings, load


@app.task(name="history.report_coverage")  # type: ignore[untyped-decorator]  # celery has no types
def report_coverage() -> None:
    """Keep the past week's report of every tenant."""
    asyncio.run(_report_coverage(load(Settings)))


async def _report_coverage(settings: Settings) -> None:
    database = open_database(settings.database_url)
    try:
        await Reporter(SqlCoverage(database), SystemClock()).keep_weekly()
    finally:
        await database.close()
