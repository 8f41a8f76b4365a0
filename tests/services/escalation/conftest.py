"""An escalation service on each real database, the memory bus and the memory store."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.escalation.app import open_service
from services.escalation.handlers import HANDLERS, Deps
from shared.bus import open_bus
from shared.bus.port import Bus
from shared.clock import ManualClock
from shared.codec import decode
from shared.events import BOT, Escalated, Event, Exchange
from shared.kv import open_kv
from shared.process import http_app, topic_specs
from shared.runner import Host, Runtime
from shared.service import Service, contract_of
from shared.settings import Settings

PASSWORD = "correct-horse-battery"
HANDLER_OF = {contract_of(h).consumes: h for h in HANDLERS}


@dataclass
class World:
    """One escalation service and what a test does to it."""

    host: Host
    service: Service
    runtime: Runtime
    clock: ManualClock
    bus: Bus
    heard: list[Event] = field(default_factory=list)

    @property
    def deps(self) -> Deps:
        assert isinstance(self.service.deps, Deps)
        return self.service.deps

    async def tell(self, event: Event) -> Any:
        return await HANDLER_OF[type(event)](event, self.deps)

    @asynccontextmanager
    async def browser(self, email: str = "ana@morrow.example") -> AsyncIterator[httpx.AsyncClient]:
        async with self.anonymous() as http:
            answer = await http.post("/api/login", json={"email": email, "password": PASSWORD})
            http.headers["X-CSRF-Token"] = answer.json()["csrf"]
            yield http

    @asynccontextmanager
    async def anonymous(self) -> AsyncIterator[httpx.AsyncClient]:
        assert self.service.api is not None
        transport = httpx.ASGITransport(self.service.api)
        async with httpx.AsyncClient(transport=transport, base_url="http://desk") as http:
            yield http

    async def hear(self, topic: str, count: int) -> list[Event]:
        """The first `count` events on a topic."""
        subscription = self.bus.subscribe([topic], None, start="earliest")
        heard: list[Event] = []
        async for message in subscription:
            heard.append(decode(message))
            subscription.done(message)
            if len(heard) == count:
                break
        await subscription.close()
        return heard


def _agent(name: str, tenant: str = "morrow") -> dict[str, str]:
    return {"email": f"{name.lower()}@{tenant}.example", "password": PASSWORD, "name": name}


KEYS = {
    "widget_key": "w1", "admin_key": "a1", "agent": _agent("Ana"), "agents": [_agent("Ben")],
    "tenants": {"other": {"widget_key": "w2", "admin_key": "a2", "agent": _agent("Eve", "other")}},
}  # fmt: skip


@pytest.fixture
async def world(tmp_path: Path, database_url: str) -> AsyncIterator[World]:
    (tmp_path / "keys.json").write_text(json.dumps(KEYS))
    settings = Settings(database_url=database_url, var_dir=tmp_path)
    bus, kv, clock = open_bus("memory:"), open_kv("memory:"), ManualClock()
    await bus.create_topics(topic_specs())
    runtime = Runtime.open("escalation", settings, bus, kv, clock)
    async with open_service(runtime) as service:
        host = Host(service, runtime)
        http_app(host)
        assert service.start is not None
        await service.start()
        yield World(host, service, runtime, clock, bus)
    runtime.tracer.close()
    await kv.close()
    await bus.close()


def escalated(number: int = 1, **more: Any) -> Escalated:
    fields: dict[str, Any] = {
        "tenant_id": "morrow",
        "conversation_id": f"c{number}",
        "turn_id": f"t{number}",
        "accepted_unix_ms": ManualClock().now_ms - 500,
        "deadline_unix_ms": ManualClock().now_ms + 9000,
        "reason": "The customer asked for a person.",
        "rule": "intent.ask_for_human",
        "question": "A person, please",
        "draft": "It takes 3 days.",
        "context": (Exchange(question="Where is it?", answer="On its way."),),
    }
    return Escalated(**{**fields, **more})


@pytest.fixture
def a_hand_over() -> Any:
    return escalated


@pytest.fixture
def bot() -> str:
    return BOT
