"""The system as `make up` starts it, for tests that need real processes: started when asked for."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local.broker import VAR, free_port
from infra.local.packages import install_kafka
from shared.service import NAMES

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 240.0


@dataclass(frozen=True)
class LocalCluster:
    """A running cluster of its own ports and its own `var` folder."""

    environment: dict[str, str]
    var: Path
    base_port: int

    @property
    def page_url(self) -> str:
        """The customers' page and the API."""
        return f"http://127.0.0.1:{self.base_port}/"

    @property
    def desk_url(self) -> str:
        """The agents' dashboard."""
        return f"http://127.0.0.1:{self.base_port + NAMES.index('escalation')}/"

    @property
    def keys(self) -> dict[str, Any]:
        """What `make up` wrote into `keys.json`."""
        found: dict[str, Any] = json.loads((self.var / "keys.json").read_text())
        return found

    def run(self, command: str) -> None:
        """`python -m infra.local …` on this cluster. Fails the test when it fails."""
        done = self._command(command)
        assert done.returncode == 0, done.stdout + done.stderr

    def _command(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "infra.local", *command],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False,
            timeout=START_TIMEOUT_S,
        )  # fmt: skip

    def status(self) -> dict[str, Any] | None:
        """`make status` as JSON: `mode` and `processes`; None when something is not well."""
        done = self._command("status", "--json")
        found: dict[str, Any] | None = None if done.returncode else json.loads(done.stdout)
        return found

    def kill(self, process: str) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        status = self.status()
        assert status is not None, "not well before the blow"
        rows = status["processes"]
        os.kill(next(row["pid"] for row in rows if row["name"] == process), signal.SIGKILL)

    def ask(self, message: str, timeout_s: float = 15.0) -> dict[str, Any]:
        """One question over REST."""
        response = httpx.post(
            f"{self.page_url}v1/chat",
            json={"message": message},
            headers={"X-Switchboard-Key": self.keys["widget_key"]},
            timeout=timeout_s,
        )
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


def free_block(size: int) -> int:
    """The first of `size` ports in a row that nobody listens on right now."""
    while True:
        first = free_port()
        if first + size < 60_000 and all(_is_free(first + step) for step in range(size)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """All processes of `make up`: real Kafka, real Redis, nine services, background jobs."""
    var = tmp_path_factory.mktemp("cluster")
    libs = install_kafka(VAR, progress=lambda _: None)
    (var / "kafka").mkdir()
    (var / "kafka" / "libs").symlink_to(libs)  # what the project has fetched is not fetched again
    first = free_block(len(NAMES) + 3)
    ports = dict(zip(("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "REDIS_PORT"), range(3), strict=True))
    environment = {
        **os.environ,
        "VAR_DIR": str(var),
        "BASE_PORT": str(first),
        **{name: str(first + len(NAMES) + step) for name, step in ports.items()},
    }
    cluster = LocalCluster(environment, var, first)
    try:
        cluster.run("up")
        yield cluster
    finally:
        cluster.run("down")
