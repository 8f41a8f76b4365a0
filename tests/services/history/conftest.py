"""A history on a real SQLite file, and on a real PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from services.history.adapters import SqlTranscripts
from services.history.app import MIGRATIONS
from services.history.coverage_store import SqlCoverage
from services.history.handlers import Deps
from shared.clock import ManualClock
from shared.database import Database, migrate, open_database


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = open_database(database_url)
    await migrate(database, MIGRATIONS, "history_version")
    yield database
    await database.close()


@pytest.fixture
def deps(database: Database) -> Deps:
    return Deps(SqlTranscripts(database), SqlCoverage(database), ManualClock())
