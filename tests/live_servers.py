"""One real broker and one real Redis for the whole test session, started when first asked for."""

from collections.abc import Iterator

import pytest

from infra.local.broker import free_port, running_broker
from infra.local.redis_server import running_redis


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
