"""The operators' door and `switchboard cache`, against a cache that listens."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import httpx
import pytest
import uvicorn

from services.cache.api import ApiDeps, build_api
from services.cache.deps import Deps
from services.cache.jobs import request_warm_up
from shared.answers import Remembered, Scope
from shared.clock import ManualClock
from shared.errors import Unavailable
from shared.events import AnswerDisputed, Event, WarmUpRequested
from shared.keys import KeyRing
from shared.web import install_problems
from tests.services.cache.conftest import answered, asked
from tests.services.cli_gateway import run

KEYS = {
    "shop": {"widget_key": "w", "admin_key": "admin"},
    "other": {"widget_key": "w2", "admin_key": "admin2"},
}
SCOPE = Scope("shop", "en", "k1", "p1")


@dataclass
class Sender:
    """A broker that may be away."""

    away: bool = False
    sent: list[Event] = field(default_factory=list)

    async def publish(self, *events: Event, timeout_s: float = 5.0) -> Sequence[Event]:
        if self.away:
            raise Unavailable("no broker")
        self.sent += events
        return events


@dataclass
class Listening:
    """A cache with an API."""

    url: str
    sender: Sender
    deps: Deps


@pytest.fixture
def cache(deps: Deps, clock: ManualClock) -> Iterator[Listening]:
    sender = Sender()
    api = build_api(ApiDeps(deps.store, KeyRing(KEYS), sender, clock))
    install_problems(api)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(api, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield Listening(f"http://127.0.0.1:{port}", sender, deps)
    server.should_exit = True
    thread.join()


def teach(cache: Listening, clock: ManualClock, *questions: str) -> None:
    async def teach_all() -> None:
        for question in questions:
            event = await answered(asked(question, clock), cache.deps)
            for scope in (SCOPE, replace(SCOPE, locale="de")):
                await cache.deps.store.remember(scope, Remembered.of(event), event.embedding or b"")

    asyncio.run(teach_all())


def command(cache: Listening, *arguments: str, key: str = "admin") -> tuple[int, str]:
    done = run("cache", *arguments, "--url", cache.url, "--key", key)
    return done.exit_code, done.stdout + done.stderr


def test_show_lists_what_is_remembered(cache: Listening, clock: ManualClock) -> None:
    teach(cache, clock, "how do I pay", "where is it")
    code, text = command(cache, "show", "--json")
    found = json.loads(text)
    assert (code, found["count"]) == (0, 4)
    first = found["entries"][0]
    assert first["documents"] == ["doc"] and first["fresh_for_s"] == 3600
    assert "how do I pay" in command(cache, "show")[1]


def test_forgetting_by_question_document_and_all(cache: Listening, clock: ManualClock) -> None:
    teach(cache, clock, "a b", "c d", "e f")
    assert command(cache, "forget", "--question", "  A B? ") == (0, "2 forgotten\n")
    assert command(cache, "forget", "--document", "unknown") == (0, "0 forgotten\n")
    assert command(cache, "forget", "--document", "doc") == (0, "4 forgotten\n")
    teach(cache, clock, "a b")
    assert command(cache, "forget", "--all") == (0, "2 forgotten\n")
    code, text = command(cache, "forget")
    assert code == 1 and "give one of" in text


def test_each_tenant_sees_and_forgets_its_own(cache: Listening, clock: ManualClock) -> None:
    teach(cache, clock, "a b")
    assert json.loads(command(cache, "show", "--json", key="admin2")[1])["count"] == 0
    assert command(cache, "forget", "--all", key="admin2") == (0, "0 forgotten\n")
    assert json.loads(command(cache, "show", "--json")[1])["count"] == 2


def test_a_wrong_key_opens_nothing(cache: Listening) -> None:
    for arguments in (("show",), ("forget", "--all"), ("warm",), ("wrong", "c", "t")):
        code, text = command(cache, *arguments, key="guess")
        assert code == 1 and "An admin key is needed" in text
    assert cache.sender.sent == []


def test_a_wrong_answer_and_a_warm_up_are_passed_on(cache: Listening) -> None:
    assert command(cache, "wrong", "c-1", "t-1")[0] == 0
    assert command(cache, "warm")[0] == 0
    disputed, warm_up = cache.sender.sent
    assert isinstance(disputed, AnswerDisputed) and isinstance(warm_up, WarmUpRequested)
    assert disputed.tenant_id == "shop"
    assert (disputed.conversation_id, disputed.turn_id) == ("c-1", "t-1")


def test_a_broker_that_is_away_is_said_to_be(cache: Listening) -> None:
    cache.sender.away = True
    code, text = command(cache, "warm")
    assert code == 1 and "is away" in text


def test_nothing_to_forget_by_or_two_things_is_refused(cache: Listening) -> None:
    headers = {"X-Switchboard-Key": "admin"}
    for query in ({}, {"question": "a", "document": "b"}):
        answer = httpx.delete(f"{cache.url}/v1/cache", params=query, headers=headers)
        assert answer.status_code == 422 and "give one" in answer.json()["detail"]


async def test_the_hourly_job_asks_once_for_every_tenant(clock: ManualClock) -> None:
    sender = Sender()
    await request_warm_up(KeyRing(KEYS).tenants(), sender, clock)
    assert [(type(e), e.tenant_id) for e in sender.sent] == [
        (WarmUpRequested, "other"),
        (WarmUpRequested, "shop"),
    ]
