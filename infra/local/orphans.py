"""Processes of this cluster that no supervisor looks after any more, e.g. after its kill -9."""

from pathlib import Path

import psutil

from infra.local.cluster import MARK

# Stopped first to last: nobody loses the store or the broker while still writing to it.
_STAGES: tuple[tuple[str, float], ...] = (("service", 15.0), ("redis", 10.0), ("kafka", 20.0))


def stage_of(name: str) -> str:
    """Which stage of stopping a process belongs to, by its program name."""
    return name if name in ("redis", "kafka") else "service"


def _program(process: psutil.Process, var: Path) -> str | None:
    """The program a process runs for the cluster at `var`; None for anybody else's process."""
    try:
        environment = process.environ()
        if environment.get(MARK) == str(var):
            return environment.get("SUPERVISOR_PROCESS_NAME", "service")
        # Redis overwrites its environment with its title, so its folder has to tell.
        ours = process.name().startswith("redis") and Path(process.cwd()).is_relative_to(var)
        return "redis" if ours else None
    except (psutil.Error, OSError):
        return None


def find(var: Path) -> dict[str, list[psutil.Process]]:
    """Every process of the cluster at `var`, by stage."""
    found: dict[str, list[psutil.Process]] = {name: [] for name, _ in _STAGES}
    for process in psutil.process_iter():
        if process.pid != psutil.Process().pid and (program := _program(process, var)):
            found[stage_of(program)].append(process)
    return found


def stop(var: Path) -> int:
    """Stop them kindly, stage by stage, then firmly; how many there were."""
    found = find(var)
    for stage, patience_s in _STAGES:
        processes = found[stage]
        for process in processes:
            _signal(process, "terminate")
        _, stubborn = psutil.wait_procs(processes, timeout=patience_s)
        for process in stubborn:
            _signal(process, "kill")
        psutil.wait_procs(stubborn, timeout=5.0)
    return sum(map(len, found.values()))


def _signal(process: psutil.Process, how: str) -> None:
    try:
        getattr(process, how)()
    except psutil.Error:
        return  # gone already
