"""Databases: one writer, consistent reads, migrations that several processes may start at once."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text

from services.escalation import tables as escalation_tables
from services.escalation.app import MIGRATIONS as ESCALATION
from services.history import tables as history_tables
from services.history.app import MIGRATIONS as HISTORY
from shared.database import migrate, open_database
from shared.errors import ConfigurationError, Unavailable

OWNERS = [
    (HISTORY, "history_version", "history_", history_tables.metadata),
    (ESCALATION, "escalation_version", "escalation_", escalation_tables.metadata),
]


def url_of(path: Path) -> str:
    return f"sqlite:///{path / 'new folder' / 'switchboard.db'}"


@pytest.mark.parametrize("url", ["", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_cannot_work_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL"):
        open_database(url)


def test_a_password_in_a_bad_url_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_database("mysql://me:hunter2@host/db")
    assert "hunter2" not in str(caught.value)


async def test_sqlite_works_in_wal_with_foreign_keys_in_a_new_folder(tmp_path: Path) -> None:
    database = open_database(url_of(tmp_path))
    async with database.reading() as connection:
        journal = (await connection.execute(text("PRAGMA journal_mode"))).scalar_one()
        keys = (await connection.execute(text("PRAGMA foreign_keys"))).scalar_one()
    await database.close()
    assert (journal, keys) == ("wal", 1)


async def test_what_fails_half_way_writes_nothing(database_url: str) -> None:
    database = open_database(database_url)
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE n (n INTEGER)"))
    with pytest.raises(RuntimeError):
        async with database.writing() as connection:
            await connection.execute(text("INSERT INTO n VALUES (1)"))
            raise RuntimeError("half way")
    async with database.reading() as connection:
        count = (await connection.execute(text("SELECT count(*) FROM n"))).scalar_one()
    await database.close()
    assert count == 0


async def test_read_then_write_is_alone_also_across_pools(database_url: str) -> None:
    pools = [open_database(database_url) for _ in range(2)]
    async with pools[0].writing() as connection:
        await connection.execute(text("CREATE TABLE n (n INTEGER)"))
        await connection.execute(text("INSERT INTO n VALUES (0)"))

    async def add_one(number: int) -> None:
        async with pools[number % 2].writing("n") as connection:
            before = (await connection.execute(text("SELECT n FROM n"))).scalar_one()
            await asyncio.sleep(0)
            await connection.execute(text("UPDATE n SET n = :n"), {"n": before + 1})

    await asyncio.gather(*map(add_one, range(40)))
    async with pools[1].reading() as connection:
        assert (await connection.execute(text("SELECT n FROM n"))).scalar_one() == 40
    for pool in pools:
        await pool.close()


async def test_a_database_that_is_away_is_unavailable_and_fails_its_probe() -> None:
    database = open_database("postgresql://nobody@127.0.0.1:1/none")
    assert not await database.ping()
    with pytest.raises(Unavailable):
        async with database.writing():
            raise AssertionError("there is nothing to write to")
    await database.close()


async def test_two_services_share_one_database_and_their_tables_are_as_declared(
    database_url: str,
) -> None:
    def differences(connection: Connection, prefix: str, version: str, meta: MetaData) -> object:
        def is_mine(name: str | None, kind: str, _parents: object) -> bool:
            return kind != "table" or bool(name and name.startswith(prefix) and name != version)

        options = {"version_table": version, "include_name": is_mine}
        return compare_metadata(MigrationContext.configure(connection, opts=options), meta)

    database = open_database(database_url)
    for migrations, version, _, _ in OWNERS * 2:  # the second time there is nothing to do
        await migrate(database, migrations, version)
    async with database.reading() as connection:
        for _, version, prefix, metadata in OWNERS:
            assert await connection.run_sync(differences, prefix, version, metadata) == []
    await database.close()


def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    program = (
        "import asyncio, sys, pathlib\n"
        "from shared.database import migrate, open_database\n"
        "async def main():\n"
        "    database = open_database(sys.argv[1])\n"
        "    await migrate(database, pathlib.Path(sys.argv[2]), 'history_version')\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", program, database_url, str(HISTORY)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    errors = [process.communicate(timeout=110)[1].decode() for process in running]
    assert [process.returncode for process in running] == [0] * 3, errors
