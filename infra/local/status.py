"""What runs, where, how big, how far behind, and in which mode."""

import asyncio
import re
import time
from dataclasses import dataclass

import httpx
import psutil
from rich.table import Table

from infra.local.cluster import Cluster
from infra.local.start import is_ready
from infra.local.supervisor import Supervisor
from shared.bus import open_bus
from shared.errors import SwitchboardError
from shared.service import NAMES

CPU_SAMPLE_S = 0.5


@dataclass(frozen=True)
class Row:
    """One process as the table shows it."""

    name: str
    state: str
    pid: int
    port: str
    ready: str
    memory_mb: float
    cpu_percent: float
    restarts: int
    up_s: float


def rows(cluster: Cluster) -> list[Row]:
    """One row per program of a running supervisor."""
    control = Supervisor(cluster)
    infos, restarts = control.processes(), control.restarts()
    usage = _usage({info["pid"] for info in infos if info["pid"]})
    listens = cluster.ports()
    found = []
    for info in infos:
        name, pid = info["name"], info["pid"]
        memory, cpu = usage.get(pid, (0.0, 0.0))
        ready = ("yes" if is_ready(cluster, name) else "no") if name in NAMES else ""
        port = str(listens[name][1]) if name in listens else ""
        up_s = info["now"] - info["start"] if pid else 0.0
        found.append(
            Row(name, info["statename"], pid, port, ready, memory, cpu, restarts.get(name, 0), up_s)
        )
    return found


def _usage(pids: set[int]) -> dict[int, tuple[float, float]]:
    """pid → (resident MB, CPU in percent of one core), measured over CPU_SAMPLE_S."""
    processes = []
    for pid in pids:
        try:
            process = psutil.Process(pid)
            process.cpu_percent()
            processes.append(process)
        except psutil.Error:
            continue
    time.sleep(CPU_SAMPLE_S)
    measured = {}
    for process in processes:
        try:
            megabytes = process.memory_info().rss / 1e6
            measured[process.pid] = (megabytes, process.cpu_percent())
        except psutil.Error:
            continue
    return measured


def process_table(found: list[Row]) -> Table:
    """The processes, with their sum."""
    table = Table(title="processes")
    for heading in ("process", "state", "pid", "port", "ready", "MB", "CPU %", "restarts", "up"):
        left = heading in ("process", "state", "ready")
        table.add_column(heading, justify="left" if left else "right")
    for row in found:
        healthy = row.state == "RUNNING" and row.ready != "no"
        table.add_row(
            row.name, f"[{'green' if healthy else 'red'}]{row.state}", str(row.pid or ""), row.port,
            row.ready, f"{row.memory_mb:.0f}", f"{row.cpu_percent:.0f}", str(row.restarts),
            f"{row.up_s:.0f} s",
        )  # fmt: skip
    memory = sum(row.memory_mb for row in found)
    cpu = sum(row.cpu_percent for row in found)
    table.add_section()
    table.add_row("all", "", "", "", "", f"{memory:.0f}", f"{cpu:.0f}", "", "")
    return table


async def lags(bus_url: str) -> dict[str, dict[str, int]]:
    """Group → topic → messages behind, for every service's group."""
    from services.contracts import read_all  # imports every handler: seconds, so only here

    topics: dict[str, set[str]] = {}
    for read in read_all():
        if read.how == "handlers":
            topics.setdefault(read.service, set()).add(read.contract.consumes.topic)
    bus = open_bus(bus_url, client_id="status")
    try:
        return {group: await bus.lag(group, sorted(topics[group])) for group in topics}
    finally:
        await bus.close()


def lag_table(cluster: Cluster) -> Table:
    """How far each group is behind on each topic it reads."""
    table = Table(title="consumer lag")
    for heading in ("group", "topic", "behind"):
        table.add_column(heading, justify="right" if heading == "behind" else "left")
    try:
        found = asyncio.run(lags(cluster.bus_url))
    except SwitchboardError as error:
        table.add_row("", f"[red]{error}", "")
        return table
    for group, topics in found.items():
        for topic, behind in topics.items():
            table.add_row(group, topic, f"[{'yellow' if behind else 'dim'}]{behind}")
    return table


def mode_in(metrics: str) -> str:
    """The mode in force, from a process's metrics."""
    pattern = r'switchboard_policy_mode\{mode="([^"]+)"[^}]*\} 1\.0'
    found = re.search(pattern, metrics)
    return found.group(1) if found else "full"


def mode(cluster: Cluster) -> str:
    """The mode that the gateway works in."""
    try:
        return mode_in(httpx.get(f"{cluster.gateway_url}/metrics", timeout=2.0).text)
    except httpx.HTTPError:
        return "unknown: the gateway does not answer"
