"""All services in this process, on any bus and store, with the sample shop ingested."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.__main__ import opener
from shared.events import Event, PolicyChanged
from shared.policy import Policy
from shared.process import http_app, opened_hosts, start_hosts
from shared.runner import Host
from shared.service import NAMES
from shared.settings import Settings

KEYS = {
    "widget_key": "widget-key-for-tests",
    "admin_key": "admin-key-for-tests",
    "agent": {"email": "ada@morrow.example", "password": "agent-password", "name": "Ada"},
}
ARTICLES = Path("infra/sample_shop/articles")
READY_S = 30.0
WIDGET = {"X-Switchboard-Key": KEYS["widget_key"]}
ADMIN = {"X-Switchboard-Key": KEYS["admin_key"]}


@dataclass(frozen=True)
class Cluster:
    """A running system and HTTP clients to its doors."""

    hosts: dict[str, Host]
    gateway: httpx.AsyncClient
    dashboard: httpx.AsyncClient
    settings: Settings

    async def ask(self, message: str, **more: Any) -> dict[str, Any]:
        """One question by REST; the answer's JSON."""
        response = await self.gateway.post(
            "/v1/chat", json={"message": message, **more}, headers=WIDGET, timeout=30
        )
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def publish(self, *events: Event) -> None:
        """Put events on the bus as the degradation controller would."""
        await self.hosts["degradation"].runtime.publisher.publish(*events)

    async def work_by(self, policy: Policy) -> None:
        """Make every service follow `policy`; returns when all do."""
        now_ms = self.hosts["gateway"].runtime.clock.unix_ms()
        await self.publish(
            PolicyChanged(tenant_id="-", policy=policy, reason="test", changed_unix_ms=now_ms)
        )
        for host in self.hosts.values():
            await eventually(lambda host=host: host.runtime.policy.current == policy)


async def eventually(condition: Any, timeout_s: float = 10.0) -> None:
    """Wait until a condition (a plain or async function) holds, or fail naming it."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        found = condition()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it never came true"
        await asyncio.sleep(0.02)


def settings_for(var_dir: Path, **more: Any) -> Settings:
    """Settings of a cluster of its own under `var_dir`, on the memory bus unless told otherwise."""
    var_dir.mkdir(parents=True, exist_ok=True)
    (var_dir / "keys.json").write_text(json.dumps(KEYS))
    defaults = {
        "var_dir": var_dir,
        "bus_url": "memory:",
        "kv_url": "memory:",
        "vectors_url": f"edge:{var_dir / 'vectors'}",
        "database_url": f"sqlite+aiosqlite:///{var_dir / 'switchboard.db'}",
        "base_port": 0,
    }
    return Settings(**{**defaults, **more})


@asynccontextmanager
async def running_cluster(
    settings: Settings, articles: Sequence[Path] | None = None
) -> AsyncIterator[Cluster]:
    """Start everything, ingest the sample shop, wait until it is indexed."""
    openers = {name: opener(name) for name in NAMES}
    async with opened_hosts(openers, settings) as hosts:
        by_name = {host.service.name: host for host in hosts}
        apps = {name: http_app(host) for name, host in by_name.items()}
        await start_hosts(hosts)
        async with (
            httpx.AsyncClient(
                transport=httpx.ASGITransport(apps["gateway"]), base_url="http://gateway"
            ) as gateway,
            httpx.AsyncClient(
                transport=httpx.ASGITransport(apps.get("escalation", apps["gateway"])),
                base_url="http://dashboard",
            ) as dashboard,
        ):
            cluster = Cluster(by_name, gateway, dashboard, settings)
            await ingest(cluster, sorted(ARTICLES.glob("*.md")) if articles is None else articles)
            yield cluster


async def _put(cluster: Cluster, article: Path) -> httpx.Response:
    body = {"content": article.read_text()}
    return await cluster.gateway.put(f"/v1/documents/{article.stem}", json=body, headers=ADMIN)


async def ingest(cluster: Cluster, articles: Sequence[Path]) -> None:
    """Put documents in by the public API and wait until each one is searchable."""
    for path in articles:
        async with asyncio.timeout(READY_S):
            while (response := await _put(cluster, path)).status_code == 503:
                await asyncio.sleep(0.2)  # a fresh broker on a busy machine: asked to try again
        assert response.status_code == 202, response.text

    async def all_indexed() -> bool:
        response = await cluster.gateway.get("/v1/documents", headers=ADMIN)
        states = [document["state"] for document in response.json()["documents"]]
        return states.count("indexed") >= len(articles)

    await eventually(all_indexed, timeout_s=180)  # seconds on a quiet machine
