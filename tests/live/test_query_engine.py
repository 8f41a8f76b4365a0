"""The Redis that the benchmark gives redisvl: it indexes what is written, and finds the nearest."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from redis import Redis

from infra.local.broker import free_port
from infra.local.query_engine import running_query_engine

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(shutil.which("cc") is None, reason="only a benchmark needs a C compiler"),
]

SCHEMA = "SCHEMA v VECTOR FLAT 6 TYPE FLOAT32 DIM 4 DISTANCE_METRIC COSINE".split()


def test_the_engine_follows_what_is_written_and_finds_the_nearest(tmp_path: Path) -> None:
    vectors = np.eye(4, dtype=np.float32)
    with running_query_engine(tmp_path, free_port()) as url, Redis.from_url(url) as redis:
        redis.execute_command("FT.CREATE", "i", "PREFIX", "1", "d:", *SCHEMA)  # type: ignore[no-untyped-call]
        for number, vector in enumerate(vectors):
            redis.hset(f"d:{number}", "v", vector.tobytes())
        redis.delete("d:3")
        assert nearest(redis, vectors[2]) == [3, b"d:2"]
        assert nearest(redis, vectors[3])[0] == 3


def nearest(redis: Redis, vector: np.ndarray) -> list[object]:
    query = ["*=>[KNN 3 @v $q AS s]", "PARAMS", "2", "q", vector.tobytes(), "SORTBY", "s"]
    found = redis.execute_command(
        "FT.SEARCH", "i", *query, "DIALECT", "2", "NOCONTENT", "LIMIT", "0", "1"
    )  # type: ignore[no-untyped-call]
    return list(found)
