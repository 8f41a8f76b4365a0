"""`up`: from nothing to a running system, one visible step after the other."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx
from rich.console import Console

from infra.local import orphans, ports, programs, redis_server, supervisor
from infra.local.cluster import Cluster
from infra.local.credentials import ensure_keys, read_keys, secret_of
from infra.local.knowledge import Knowledge, missing, version_of
from infra.local.supervisor import Program, Supervisor
from shared.bus import open_bus
from shared.errors import Unavailable
from shared.process import topic_specs
from shared.service import NAMES

MANY_DEATHS = 5  # of one program while `up` waits for it
_CURE = "If it cannot read its own data: `make down`, then move its folder under VAR_DIR away."

WARM_UP = "How long do I have to return something?"


class Steps:
    """Says what is being done, and how long it took."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def __call__(self, text: str) -> Iterator[Callable[[str], None]]:
        started = time.monotonic()
        with self.console.status(text) as status:
            yield lambda more: status.update(f"{text}: {more}")
        self.console.print(f"[green]✓[/] {text} [dim]{time.monotonic() - started:.1f} s[/]")


def up(cluster: Cluster, console: Console) -> None:
    """Start what does not run, wait until all of it is ready, fill the knowledge base."""
    steps, control = Steps(console), Supervisor(cluster)
    ensure_keys(cluster.keys_file)
    secret = secret_of(cluster.var, cluster.settings.secret_key.get_secret_value())
    if not control.alive():
        if left := orphans.stop(cluster.var):
            console.print(f"stopped {left} processes that an earlier run left behind")
        ports.check_free(cluster.ports())
    with steps("packages: broker, Redis") as progress:
        foundation = programs.foundation(cluster, progress)
    workers = programs.workers(cluster)
    environment = cluster.environment(secret, os.environ)
    if _changed(cluster, [*foundation, *workers], secret) and control.alive():
        console.print("[yellow]settings have changed since the start: `make restart` applies them")
    elif not control.alive():
        _write_configuration(cluster, [*foundation, *workers], secret)
        control.launch(environment)
    with steps("broker, Redis"):
        control.start([p.name for p in foundation])
        wait_serving(cluster, control, [p.name for p in foundation])
    with steps("topics"):
        asyncio.run(_create_topics(cluster.bus_url))
    with steps("services") as progress:
        control.start([p.name for p in workers])
        wait_ready(cluster, control, progress)
    _fill(cluster, steps)


def _fingerprint(cluster: Cluster, chosen: Sequence[Program], secret: str) -> str:
    text = supervisor.render(cluster, chosen) + repr(cluster.environment(secret, {}))
    return hashlib.sha256(text.encode()).hexdigest()


def _changed(cluster: Cluster, chosen: Sequence[Program], secret: str) -> bool:
    stamp = supervisor.folder(cluster) / "fingerprint"
    return not stamp.exists() or stamp.read_text() != _fingerprint(cluster, chosen, secret)


def _write_configuration(cluster: Cluster, chosen: Sequence[Program], secret: str) -> None:
    here = supervisor.folder(cluster)
    here.mkdir(parents=True, exist_ok=True)
    (here / "supervisord.conf").write_text(supervisor.render(cluster, chosen))
    (here / "fingerprint").write_text(_fingerprint(cluster, chosen, secret))


def wait_serving(cluster: Cluster, control: Supervisor, names: Sequence[str]) -> None:
    """Return once each of `names` serves. Raises Unavailable with its log's place."""
    until = time.monotonic() + cluster.local.start_timeout_s
    before = control.restarts()
    for name in names:
        while not _serves(cluster, name):
            deaths = control.restarts().get(name, 0) - before.get(name, 0)
            if deaths >= MANY_DEATHS:
                raise Unavailable(
                    f"{name} dies at each start: see {cluster.logs}/{name}.log. {_CURE}"
                )
            if time.monotonic() > until:
                raise Unavailable(f"{name} does not serve: see {cluster.logs}/{name}.log")
            time.sleep(0.1)


def _serves(cluster: Cluster, name: str) -> bool:
    host, port = cluster.ports()[name]
    return redis_server.answers(port) if name == "redis" else ports.answers(host, port)


async def _create_topics(bus_url: str) -> None:
    bus = open_bus(bus_url, client_id="make-up")
    try:
        await bus.create_topics(topic_specs(), timeout_s=60.0)
    finally:
        await bus.close()


def is_ready(cluster: Cluster, name: str) -> bool:
    """Whether a service takes work."""
    try:
        return httpx.get(f"{cluster.url_of(name)}/readyz", timeout=2.0).status_code == 200
    except httpx.HTTPError:
        return False


def wait_ready(cluster: Cluster, control: Supervisor, progress: Callable[[str], None]) -> None:
    """Return once every service is ready. Raises Unavailable naming those that are not."""
    until = time.monotonic() + cluster.local.start_timeout_s
    waiting = list(NAMES)
    while waiting := [name for name in waiting if not is_ready(cluster, name)]:
        progress("waiting for " + ", ".join(waiting))
        fatal = [n for n, s in control.states().items() if s == "FATAL" and n in waiting]
        if fatal or time.monotonic() > until:
            raise Unavailable(f"not ready: {', '.join(waiting)}; see the files in {cluster.logs}")
        time.sleep(0.25)


def _fill(cluster: Cluster, steps: Steps) -> None:
    keys = read_keys(cluster.keys_file)
    knowledge = Knowledge(cluster.gateway_url, keys["admin"])
    new = missing(knowledge.listed(), cluster.root / "infra" / "sample_shop" / "articles")
    if not new:
        return
    with steps(f"knowledge base: {len(new)} articles") as progress:
        for name, body in new.items():
            knowledge.put(name, body)
        wanted = {name: version_of(body) for name, body in new.items()}
        for done in knowledge.wait_indexed(wanted, cluster.local.start_timeout_s):
            progress(f"{done} of {len(wanted)} indexed")
    with steps("first question"):
        _warm_up(cluster, keys["widget"])


def _warm_up(cluster: Cluster, widget_key: str) -> None:
    # no-store: what the first customer gets is not what this program asked.
    headers = {"X-Switchboard-Key": widget_key, "Cache-Control": "no-store"}
    url = f"{cluster.gateway_url}/v1/chat"
    httpx.post(url, json={"message": WARM_UP}, headers=headers, timeout=30.0).raise_for_status()


def print_addresses(cluster: Cluster, console: Console) -> None:
    """Where to go now."""
    base = cluster.gateway_url
    console.print(f"\n[bold]Switchboard runs.[/]  chat page  {base}/", highlight=False)
    for label, place in (
        ("agent dashboard", f"{cluster.url_of('escalation')}/"),
        ("API", f"{base}/docs"),
        ("metrics", f"{base}/metrics"),
        ("keys, agent log-in", str(cluster.keys_file)),
        ("logs", str(cluster.logs)),
    ):
        console.print(f"  {label:<20}{place}", highlight=False, soft_wrap=True)
