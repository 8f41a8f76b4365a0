"""The process supervisor: its configuration as text, and a client for the running one."""

import hashlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.cluster import Cluster
from shared.errors import ConfigurationError, Unavailable

_SOCKET_PATH_LIMIT = 100  # bytes; the kernel's sun_path holds 108, macOS's 104
_START_TIMEOUT_S = 15.0


@dataclass(frozen=True)
class Program:
    """One supervised process."""

    name: str
    command: Sequence[str]
    priority: int  # lower starts first and stops last
    stop_wait_s: int = 15
    holds_secrets: bool = True


def folder(cluster: Cluster) -> Path:
    """Where the supervisor keeps its configuration, pid and log."""
    return cluster.var / "supervisor"


def socket_path(cluster: Cluster) -> Path:
    """Its control socket; in the temporary folder when the state folder's path is too long."""
    path = folder(cluster) / "control.sock"
    if len(str(path).encode()) < _SOCKET_PATH_LIMIT:
        return path
    short = hashlib.sha256(str(cluster.var).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"switchboard-{short}.sock"


def _literal(text: object) -> str:
    return str(text).replace("%", "%%")  # supervisor expands %(name)s


def render(cluster: Cluster, programs: Sequence[Program]) -> str:
    """The configuration file."""
    here = folder(cluster)
    head = f"""; Written by `make up`; changes are overwritten.
[unix_http_server]
file={_literal(socket_path(cluster))}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{_literal(socket_path(cluster))}

[supervisord]
directory={_literal(cluster.root)}
pidfile={_literal(here / "supervisord.pid")}
logfile={_literal(here / "supervisord.log")}
logfile_maxbytes=5MB
logfile_backups=1
childlogdir={_literal(cluster.logs)}
minfds=1024
"""
    return head + "".join(_section(cluster, program) for program in programs)


def _section(cluster: Cluster, program: Program) -> str:
    hidden = "" if program.holds_secrets else '\nenvironment=SECRET_KEY=""'
    return f"""
[program:{program.name}]
command={_literal(shlex.join(program.command))}
priority={program.priority}
autostart=false
autorestart=true
startsecs=1
startretries=1000
stopwaitsecs={program.stop_wait_s}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={_literal(cluster.logs / f"{program.name}.log")}
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1{hidden}
"""


class Supervisor:
    """Talks to the supervisor of one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def _call(self, method: str, *arguments: object) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        url = f"unix://{socket_path(self._cluster)}"
        transport = SupervisorTransport(None, None, serverurl=url)
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            try:
                return getattr(proxy, method)(*arguments)
            except (OSError, xmlrpc.client.ProtocolError) as error:
                raise Unavailable(f"no supervisor: {error}") from None

    def alive(self) -> bool:
        """Whether it runs and answers."""
        try:
            return socket_path(self._cluster).exists() and bool(
                self._call("supervisor.getState")["statename"]
            )
        except Unavailable:
            return False

    def launch(self, environment: Mapping[str, str]) -> None:
        """Start it in the background; programs stay stopped until `start`."""
        self._cluster.logs.mkdir(parents=True, exist_ok=True)
        socket_path(self._cluster).unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c",
             folder(self._cluster) / "supervisord.conf"],
            cwd=self._cluster.root, env=dict(environment), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        if done.returncode:
            raise ConfigurationError(f"the supervisor does not start: {done.stderr.strip()}")
        until = time.monotonic() + _START_TIMEOUT_S
        while not self.alive():
            if time.monotonic() > until:
                raise Unavailable("the supervisor does not answer; see var/supervisor")
            time.sleep(0.05)

    def processes(self) -> list[dict[str, Any]]:
        """State of every program: name, statename, pid, start, now, spawnerr."""
        found: list[dict[str, Any]] = self._call("supervisor.getAllProcessInfo")
        return found

    def states(self) -> dict[str, str]:
        """Name → state."""
        return {row["name"]: row["statename"] for row in self.processes()}

    def start(self, names: Sequence[str]) -> None:
        """Start those that do not run."""
        for name in names:
            if self.states().get(name) not in ("RUNNING", "STARTING", "BACKOFF"):
                self._call("supervisor.startProcess", name, False)

    def stop(self, names: Sequence[str], timeout_s: float = 30.0) -> None:
        """Stop them together and wait until they are gone."""
        for name in names:
            if self.states().get(name) in ("RUNNING", "STARTING", "BACKOFF"):
                self._call("supervisor.stopProcess", name, False)
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            states = self.states()
            if all(states.get(n) in ("STOPPED", "EXITED", "FATAL", None) for n in names):
                return
            time.sleep(0.1)

    def shutdown(self) -> None:
        """End the supervisor itself and wait for it."""
        self._call("supervisor.shutdown")
        until = time.monotonic() + 30.0
        while self.alive() and time.monotonic() < until:
            time.sleep(0.1)

    def restarts(self) -> dict[str, int]:
        """How often each program was started again since the supervisor came up."""
        log = folder(self._cluster) / "supervisord.log"
        text = log.read_text(errors="replace") if log.exists() else ""
        return count_restarts(text)


def count_restarts(log_text: str) -> dict[str, int]:
    """Unexpected ends per program, from the supervisor's log since its last start."""
    latest = log_text.rpartition("supervisord started with pid")[2]
    counts: dict[str, int] = {}
    for name in re.findall(r"WARN exited: ([\w-]+) ", latest):
        counts[name] = counts.get(name, 0) + 1
    return counts
