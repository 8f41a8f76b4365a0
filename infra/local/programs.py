"""What one cluster consists of."""

import sys
from collections.abc import Callable

from infra.local.cluster import Cluster
from infra.local.supervisor import Program
from shared.service import NAMES

JOBS = ("celery-worker", "celery-beat")
# Nobody waits for these: on a busy machine the turn path goes first.
UNHURRIED = ("history", "escalation", *JOBS)


def foundation(cluster: Cluster, progress: Callable[[str], None]) -> list[Program]:
    """Broker and Redis, installed and prepared; only those that are ours to start."""
    from infra.local import broker, packages, redis_server

    packages.ensure_installed(cluster.var, progress)
    programs = []
    if cluster.owns_broker:
        broker.prepare(cluster.var, cluster.local.kafka_port, cluster.local.kafka_controller_port)
        command = broker.command(cluster.var)
        programs.append(Program("kafka", command, 10, stop_wait_s=30, holds_secrets=False))
    if cluster.owns_redis:
        redis_server.prepare(cluster.var, cluster.local.redis_port)
        programs.append(
            Program("redis", redis_server.command(cluster.var), 20, holds_secrets=False)
        )
    return programs


def workers(cluster: Cluster) -> list[Program]:
    """The nine services and the background jobs."""
    services = [
        Program(name, (*_pace(name), sys.executable, "-m", "services", name), 50) for name in NAMES
    ]
    celery = (*_pace(JOBS[0]), sys.executable, "-m", "celery", "-A", "services.jobs:app")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    work = (*celery, "worker", "--loglevel=INFO", *quiet)
    schedule = str(cluster.var / "celery-beat")
    beat = (*celery, "beat", "--schedule", schedule, f"--pidfile={cluster.var / 'beat.pid'}")
    return [*services, Program(JOBS[0], work, 60), Program(JOBS[1], beat, 70)]


def _pace(name: str) -> tuple[str, ...]:
    return ("nice", "-n", "5") if name in UNHURRIED else ()
