"""What comes while a process starts waits until it hears the bus, but not for ever."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from shared.clock import SystemClock
from shared.opening import Opening


class Heard:
    """An application that notes what reached it."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.paths.append(scope["path"])


async def ask(app: Opening, path: str, kind: str = "http") -> None:
    async def receive() -> dict[str, object]:
        return {}

    async def send(message: object) -> None:
        return None

    await app({"type": kind, "path": path}, receive, send)


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_question_waits_until_the_service_is_ready(kind: str) -> None:
    heard, ready = Heard(), asyncio.Event()
    app = Opening(heard, ready.is_set, SystemClock())
    asked = asyncio.create_task(ask(app, "/v1/ws", kind))
    await asyncio.sleep(0.1)
    assert heard.paths == []
    ready.set()
    await asyncio.wait_for(asked, 1)
    assert heard.paths == ["/v1/ws"]


async def test_health_is_told_at_once() -> None:
    heard = Heard()
    await asyncio.wait_for(ask(Opening(heard, lambda: False, SystemClock()), "/readyz"), 0.5)
    assert heard.paths == ["/readyz"]


async def test_nobody_waits_for_a_broker_that_is_away() -> None:
    heard = Heard()
    app = Opening(heard, lambda: False, SystemClock(), hold_s=0.1)
    await asyncio.wait_for(ask(app, "/v1/chat"), 1)
    assert heard.paths == ["/v1/chat"]
