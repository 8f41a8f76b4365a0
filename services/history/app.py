"""Wires history."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from services.history import handlers
from services.history.adapters import SqlTranscripts
from services.history.api import ApiDeps, build_api
from services.history.coverage_store import SqlCoverage
from services.history.jobs import purge_once
from services.history.reports import Reporter
from services.history.settings import HistorySettings
from shared.database import migrate, open_database
from shared.periodic import Periodic
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load
from shared.tokens import internal_token

MIGRATIONS = Path(__file__).parent / "migrations"


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """History with its tables up to date and retention running."""
    settings = load(HistorySettings)
    database = open_database(runtime.settings.database_url)
    try:
        await migrate(database, MIGRATIONS, "history_version")
        transcripts = SqlTranscripts(database)
        coverage = SqlCoverage(database)
        reporter = Reporter(coverage, runtime.clock)
        token = internal_token(runtime.settings.secret_key.get_secret_value())
        purge = partial(purge_once, transcripts, settings, runtime.clock)
        retention = Periodic("retention", purge, settings.purge_every_s)
        yield Service(
            "history",
            handlers.Deps(transcripts, coverage, runtime.clock),
            handlers=handlers.HANDLERS,
            probes={"database": database.ping},
            api=build_api(ApiDeps(transcripts, reporter, token, settings.page_limit)),
            start=retention.start,
            stop=retention.stop,
        )
    finally:
        await database.close()
