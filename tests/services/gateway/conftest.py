"""A gateway on the memory bus, with its neighbours in miniature."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.gateway.app import open_service
from shared.bus.memory import MemoryBus
from shared.errors import Unavailable
from shared.process import http_app, opened_hosts, start_hosts
from shared.runner import Host
from shared.settings import Settings
from tests.services.gateway.neighbours import opener

WIDGET = {"X-Switchboard-Key": "widget"}
ADMIN = {"Authorization": "Bearer admin"}


class FragileBus(MemoryBus):
    """A broker that can be away."""

    away = False

    async def publish(self, messages, timeout_s=5.0):  # type: ignore[no-untyped-def]
        if self.away:
            raise Unavailable("the broker is away")
        await super().publish(messages, timeout_s)

    async def ping(self, timeout_s: float = 1.0) -> bool:
        return not self.away


@dataclass
class Gateway:
    """A running gateway, and how to speak to it."""

    app: FastAPI
    client: httpx.AsyncClient
    bus: FragileBus
    host: Host
    var_dir: Path

    async def ask(self, message: str, **more: object) -> dict[str, object]:
        """The JSON of a blocking question."""
        body = {"message": message, **more}
        response = await self.client.post("/v1/chat", json=body, headers=WIDGET)
        assert response.status_code == 200, response.text
        return dict(response.json())


OpenGateway = Callable[..., AbstractAsyncContextManager[Gateway]]


@pytest.fixture
def open_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OpenGateway:
    """Open gateways with settings of a test's own."""
    keys = {"widget_key": "widget", "admin_key": "admin"}
    agent = {"email": "sam@morrow.example", "password": "secret"}
    other = {"widget_key": "other-widget", "admin_key": "other-admin"}
    content = {**keys, "agent": agent, "tenants": {"other": other}}
    (tmp_path / "keys.json").write_text(json.dumps(content))
    monkeypatch.setenv("GATEWAY_PROBE_EVERY_S", "0.05")

    @asynccontextmanager
    async def open_it(**knobs: object) -> AsyncIterator[Gateway]:
        for name, value in knobs.items():
            monkeypatch.setenv(f"GATEWAY_{name.upper()}", str(value))
        bus = FragileBus()
        settings = Settings(var_dir=tmp_path, base_port=0)
        openers = {"gateway": open_service, "safety": opener()}
        async with opened_hosts(openers, settings, bus) as hosts:
            await start_hosts(hosts)
            app = http_app(hosts[0])
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                yield Gateway(app, client, bus, hosts[0], tmp_path)

    return open_it


@pytest.fixture
async def gateway(open_gateway: OpenGateway) -> AsyncIterator[Gateway]:
    """A gateway as it comes."""
    async with open_gateway() as opened:
        yield opened
