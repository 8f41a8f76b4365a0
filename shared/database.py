"""Relational storage: SQLite beside the process, PostgreSQL when `DATABASE_URL` says so.

`reading()` and `writing()` are the only two ways in. A write is one transaction that either holds
its lock from the start or waits for it, so a handler that checks and then inserts needs no luck.
Migrations ship with the service that owns the tables (`services/x/migrations`), and each service
has a version table of its own, so several can share one database.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from sqlalchemy import Connection, MetaData, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shared.errors import ConfigurationError, Unavailable

BUSY_TIMEOUT_S = 10.0  # how long a SQLite writer waits for another process's transaction
COMMAND_TIMEOUT_S = 10.0
_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
_AWAY = (OperationalError, InterfaceError, PoolTimeout, OSError)


class Database:
    """One pool of connections, as opened by `open_database(url)`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._writes = engine.execution_options(switchboard_writes=True)
        # SQLite has one writer anyway; queueing here is fair, its own busy wait is a poll.
        self._one_writer = asyncio.Lock()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A consistent view; never waits for writers. Raises Unavailable."""
        with _away_is_unavailable():
            async with self.engine.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self, key: str = "") -> AsyncIterator[AsyncConnection]:
        """A transaction, committed at the end; alone with `key` on every variant.

        Raises:
            Unavailable: the database is away or stayed locked; nothing was written.
        """
        with _away_is_unavailable():
            if self._sqlite:
                async with self._one_writer, self._writes.begin() as connection:
                    yield connection
                return
            async with self._writes.begin() as connection:
                if key:
                    await connection.execute(
                        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"),
                        {"key": key},
                    )
                yield connection

    async def ping(self) -> bool:
        """Whether it answers."""
        try:
            async with self.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except Unavailable:
            return False
        return True

    async def close(self) -> None:
        await self.engine.dispose()


class _away_is_unavailable:
    """Turns the many ways a database can be away into the one signal the chain knows."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        lost = isinstance(error, DBAPIError) and error.connection_invalidated
        if lost or isinstance(error, _AWAY):
            raise Unavailable(f"the database is away ({type(error).__name__})") from error


def open_database(url: str) -> Database:
    """The database that `url` names; for SQLite the folder is created.

    Raises:
        ConfigurationError: not a URL, another kind of database, or SQLite without a file.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError("DATABASE_URL: not a database URL") from None
    driver = _DRIVERS.get(parsed.get_backend_name())
    if driver is None:
        raise ConfigurationError(f"DATABASE_URL={parsed!r}: expected sqlite:///… or postgresql://…")
    parsed = parsed.set(drivername=driver)
    return _open_sqlite(parsed) if driver.startswith("sqlite") else _open_postgresql(parsed)


def _open_sqlite(url: URL) -> Database:
    if not url.database or url.database == ":memory:":
        # One connection cannot hold two transactions, and each of several would see its own data.
        raise ConfigurationError(f"DATABASE_URL={url!r}: SQLite needs a file")
    Path(url.database).expanduser().parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    return Database(engine)


def _open_postgresql(url: URL) -> Database:
    arguments = {"timeout": COMMAND_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}
    return Database(create_async_engine(url, pool_pre_ping=True, connect_args=arguments))


def _prepare_sqlite(raw: Any, _record: object) -> None:
    raw.isolation_level = None  # the driver's implicit BEGIN would start deferred and deadlock
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA journal_mode = WAL")
    # In WAL this survives a crash of the process; only a power cut can take the last commits,
    # and those events are redelivered.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("switchboard_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def insert_new(
    connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]
) -> int:
    """Insert those rows that are not there yet; how many were new."""
    if not rows:
        return 0
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    new = 0
    for row in rows:
        statement = dialect.insert(table).values(**row).on_conflict_do_nothing()
        new += (await connection.execute(statement)).rowcount
    return new


async def migrate(database: Database, migrations: Path, version_table: str) -> None:
    """Bring a service's tables up to date; safe when several processes start at once.

    One transaction holds the lock throughout, so the others wait and then find nothing to do.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    async with database.writing(f"migrate:{version_table}") as connection:
        await connection.run_sync(_upgrade, config, version_table)


def _upgrade(connection: Connection, config: Config, version_table: str) -> None:
    config.attributes.update(connection=connection, version_table=version_table)
    command.upgrade(config, "head")


def run_migrations(metadata: MetaData) -> None:
    """What every service's `migrations/env.py` does."""
    attributes = context.config.attributes
    context.configure(
        connection=attributes["connection"],
        version_table=attributes["version_table"],
        target_metadata=metadata,
        transactional_ddl=True,  # SQLite too: every connection here begins explicitly
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()
