"""One real broker, Redis and PostgreSQL for the whole session, started when first asked for."""

import asyncio
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from infra.local.broker import free_port, running_broker
from infra.local.redis_server import running_redis
from tests.postgres_server import running_postgres


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`kafka://…` of a real Apache Kafka."""
    folder = tmp_path_factory.mktemp("broker")
    with running_broker(folder, free_port(), free_port()) as broker:
        yield f"kafka://{broker.address}"


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`redis://…` of a real Redis 8."""
    with running_redis(tmp_path_factory.mktemp("redis"), free_port()) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """`postgresql://…` of a real PostgreSQL, without a database name."""
    with running_postgres(free_port()) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.live)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of its own, on each variant."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new folder' / 'switchboard.db'}"
    server: str = request.getfixturevalue("postgres_server")
    name = f"test_{uuid.uuid4().hex}"
    asyncio.run(_create_database(server, name))
    return f"{server}/{name}"


async def _create_database(server: str, name: str) -> None:
    connection = await asyncpg.connect(f"{server}/postgres", timeout=10)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
