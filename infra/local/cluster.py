"""Where everything of one cluster lives and listens, and the environment its processes get."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.settings import LocalSettings
from shared.errors import ConfigurationError
from shared.identity import port_of
from shared.service import NAMES
from shared.settings import Settings, load

ROOT = Path(__file__).resolve().parents[2]
MARK = "SWITCHBOARD_CLUSTER"  # in the environment of every process of a cluster: its var folder
_LOOPBACK = ("127.0.0.1", "localhost")

# Nine processes on two cores: a math library that starts a thread per core in each of them makes
# every one slower. glibc's arena per thread costs memory for nothing here.
_THREAD_LIMITS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MALLOC_ARENA_MAX": "2",
}


@dataclass(frozen=True)
class Cluster:
    """One cluster on this machine, identified by its var folder."""

    settings: Settings
    local: LocalSettings
    root: Path = ROOT

    @property
    def var(self) -> Path:
        """Absolute folder of all state."""
        return (self.root / self.settings.var_dir).resolve()

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.var / "log"

    @property
    def keys_file(self) -> Path:
        """Widget key, admin key and agent log-in."""
        return (self.root / (self.settings.keys_file or self.var / "keys.json")).resolve()

    @property
    def bus_url(self) -> str:
        """The broker that services talk to."""
        return self.local.bus_url or f"kafka://127.0.0.1:{self.local.kafka_port}"

    @property
    def kv_url(self) -> str:
        """The Redis that services talk to."""
        return self.local.kv_url or f"redis://127.0.0.1:{self.local.redis_port}/0"

    @property
    def owns_broker(self) -> bool:
        """Whether the broker is ours to start: its URL names our own port."""
        return self.local.broker != "external" and _names(self.bus_url, self.local.kafka_port)

    @property
    def owns_redis(self) -> bool:
        """Whether Redis is ours to start: its URL names our own port."""
        return _names(self.kv_url, self.local.redis_port)

    @property
    def gateway_url(self) -> str:
        """Where a browser goes."""
        return self.url_of("gateway")

    def url_of(self, service: str) -> str:
        """Base URL of a service, as seen from this machine."""
        host = self.settings.bind_host
        reachable = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        return f"http://{reachable}:{port_of(service, self.settings)}"

    def ports(self) -> dict[str, tuple[str, int]]:
        """Name → (address, port) of everything that will listen."""
        found: dict[str, tuple[str, int]] = {}
        if self.owns_broker:
            found["kafka"] = ("127.0.0.1", self.local.kafka_port)
            found["kafka controller"] = ("127.0.0.1", self.local.kafka_controller_port)
        if self.owns_redis:
            found["redis"] = ("127.0.0.1", self.local.redis_port)
        host = self.settings.bind_host
        return found | {name: (host, port_of(name, self.settings)) for name in NAMES}

    def environment(self, secret_key: str, given: Mapping[str, str]) -> dict[str, str]:
        """What every process of the cluster finds in its environment."""
        local = self.local
        redis_jobs = f"redis://127.0.0.1:{local.redis_port}/1"
        ours = {
            "BUS_URL": self.bus_url,
            "KV_URL": self.kv_url,
            "CELERY_BROKER_URL": local.celery_broker_url or redis_jobs,
            "VECTORS_URL": local.vectors_url or f"edge:{self.var / 'vectors'}",
            "DATABASE_URL": local.database_url
            or f"sqlite+aiosqlite:///{self.var / 'switchboard.db'}",
            "VAR_DIR": str(self.var),
            "SECRET_KEY": secret_key,
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.var),
        }
        return {**_THREAD_LIMITS, **given, **ours}


def _names(url: str, port: int) -> bool:
    server = url.partition("//")[2].partition("/")[0].rpartition("@")[2]
    return server in {f"{host}:{port}" for host in _LOOPBACK}


def open_cluster() -> Cluster:
    """The cluster that the environment and `.env` describe. Raises ConfigurationError."""
    os.chdir(ROOT)  # `.env` and relative paths mean the same wherever the command is typed
    cluster = Cluster(load(Settings), load(LocalSettings))
    if cluster.bus_url.startswith("memory"):
        raise ConfigurationError("BUS_URL=memory: cannot join processes; use `make chat` for that")
    if cluster.local.broker == "external" and not cluster.local.bus_url:
        raise ConfigurationError("BROKER=external: set BUS_URL=kafka://host:port as well")
    if not cluster.settings.base_port:
        raise ConfigurationError("BASE_PORT=0: processes must be able to find each other")
    return cluster
