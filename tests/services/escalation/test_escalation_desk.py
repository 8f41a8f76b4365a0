"""The dashboard's API: who gets in, who may speak, what the world hears."""

import asyncio
from typing import Any

import pytest

from services.escalation.entrance import ApiDeps
from services.escalation.outbox import Outbox
from services.escalation.stream import changes
from shared.database import open_database
from shared.errors import Unavailable
from shared.events import (
    BOT,
    AgentReplied,
    AnswerDisputed,
    Event,
    OwnerChanged,
)

REPLY = {"text": "Hello, this is Ana.", "message_id": "0123456789abcdef"}


async def opened(world: Any, a_hand_over: Any, number: int = 1) -> str:
    case_id: str = (await world.tell(a_hand_over(number))).case_id
    return case_id


async def test_nobody_sees_anything_without_logging_in(world: Any, a_hand_over: Any) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.anonymous() as http:
        for path in ("/api/me", "/api/cases", f"/api/cases/{case_id}", "/api/events"):
            assert (await http.get(path)).status_code == 401
        assert (await http.post(f"/api/cases/{case_id}/take", json={})).status_code == 401


async def test_the_session_cookie_is_kept_from_scripts_and_other_sites(world: Any) -> None:
    async with world.anonymous() as http:
        body = {"email": "ana@morrow.example", "password": "correct-horse-battery"}
        cookie = (await http.post("/api/login", json=body)).headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie


@pytest.mark.parametrize("cookie", ["", "x", "x.y", "e30=.00", "ü.ü"])
async def test_a_made_up_cookie_is_no_session(world: Any, cookie: str) -> None:
    async with world.anonymous() as http:
        headers = [(b"Cookie", f"switchboard_agent={cookie}".encode())]
        assert (await http.get("/api/me", headers=headers)).status_code == 401


async def test_a_session_ends_with_its_time(world: Any) -> None:
    async with world.browser() as http:
        assert (await http.get("/api/me")).json()["name"] == "Ana"
        world.clock.advance(13 * 3600)
        assert (await http.get("/api/me")).status_code == 401


async def test_a_change_without_the_csrf_token_is_refused(world: Any, a_hand_over: Any) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser() as http:
        for token in ("", "0" * 64):
            answer = await http.post(
                f"/api/cases/{case_id}/take", json={}, headers={"X-CSRF-Token": token}
            )
            assert answer.status_code == 403


async def test_guessing_passwords_is_stopped_even_with_the_right_one(world: Any) -> None:
    async with world.anonymous() as http:
        body = {"email": "ana@morrow.example", "password": "wrong"}
        codes = [(await http.post("/api/login", json=body)).status_code for _ in range(6)]
        assert codes == [401] * 5 + [429]
        body["password"] = "correct-horse-battery"
        assert (await http.post("/api/login", json=body)).status_code == 429
        body["email"] = "ben@morrow.example"
        assert (await http.post("/api/login", json=body)).status_code == 200


async def test_agents_see_only_their_own_tenant(world: Any, a_hand_over: Any) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser("eve@other.example") as http:
        assert (await http.get("/api/cases")).json()["cases"] == []
        assert (await http.get("/api/cases")).json()["counts"]["waiting"] == 0
        assert (await http.get(f"/api/cases/{case_id}")).status_code == 404
        assert (await http.post(f"/api/cases/{case_id}/take", json={})).status_code == 404


async def test_an_agent_takes_answers_and_hands_back_and_the_world_hears_it(
    world: Any, a_hand_over: Any
) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser() as http:
        for action, body in (("take", {}), ("reply", REPLY), ("hand-back", {})):
            answer = await http.post(f"/api/cases/{case_id}/{action}", json=body)
            assert answer.status_code == 200, answer.text
        closed = (await http.get("/api/cases", params={"state": "closed"})).json()["cases"]
        transcript = (await http.get(f"/api/cases/{case_id}")).json()["messages"]
    assert closed[0]["outcome"] == "handed_back"
    assert "Hello, this is Ana." in [item["text"] for item in transcript]
    owners = await world.hear(OwnerChanged.topic, 2)
    assert [event.owner for event in owners] == ["ana@morrow.example", BOT]
    (reply,) = await world.hear(AgentReplied.topic, 1)
    assert (reply.text, reply.agent_name) == ("Hello, this is Ana.", "Ana")


async def test_the_same_reply_sent_twice_is_said_once(world: Any, a_hand_over: Any) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser() as http:
        await http.post(f"/api/cases/{case_id}/take", json={})
        for _ in range(2):
            assert (await http.post(f"/api/cases/{case_id}/reply", json=REPLY)).status_code == 200
        await http.post(f"/api/cases/{case_id}/reply", json={**REPLY, "message_id": "another-1"})
    heard = await world.hear(AgentReplied.topic, 2)
    assert [event.message_id for event in heard] == ["0123456789abcdef", "another-1"]


async def test_a_second_agent_learns_who_has_it_and_may_take_it_over(
    world: Any, a_hand_over: Any
) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser() as ana, world.browser("ben@morrow.example") as ben:
        await ana.post(f"/api/cases/{case_id}/take", json={})
        refused = await ben.post(f"/api/cases/{case_id}/take", json={})
        assert refused.status_code == 409
        assert refused.json()["owner_name"] == "Ana"
        assert (await ben.post(f"/api/cases/{case_id}/reply", json=REPLY)).status_code == 409
        taken = await ben.post(f"/api/cases/{case_id}/take", json={"force": True})
        assert taken.json()["agent"] == "ben@morrow.example"
        assert (await ana.post(f"/api/cases/{case_id}/reply", json=REPLY)).status_code == 409


async def test_two_agents_who_take_at_once_are_one_owner(world: Any, a_hand_over: Any) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser() as ana, world.browser("ben@morrow.example") as ben:
        path = f"/api/cases/{case_id}/take"
        answers = await asyncio.gather(*(http.post(path, json={}) for http in (ana, ben) * 4))
    winners = {answer.json()["agent"] for answer in answers if answer.status_code == 200}
    assert len(winners) == 1


async def test_an_agent_marks_an_earlier_answer_as_wrong_and_the_cache_hears_of_it(
    world: Any, a_hand_over: Any
) -> None:
    case_id = await opened(world, a_hand_over)
    path = f"/api/cases/{case_id}/wrong-answer"
    async with world.browser() as http:
        before = (await http.get(f"/api/cases/{case_id}")).json()["messages"]
        answer = next(item for item in before if item["role"] == "bot")
        body = {"message_id": answer["message_id"]}
        assert (await http.post(path, json=body)).status_code == 200
        after = (await http.get(f"/api/cases/{case_id}")).json()["messages"]
    assert any("Ana marked the answer" in item["text"] for item in after)
    (event,) = await world.hear(AnswerDisputed.topic, 1)
    assert (event.question, event.turn_id) == ("Where is it?", "")
    assert (event.tenant_id, event.disputed_by) == ("morrow", "ana@morrow.example")


async def test_only_an_answer_of_the_bot_can_be_marked_and_only_by_the_tenants_agents(
    world: Any, a_hand_over: Any
) -> None:
    case_id = await opened(world, a_hand_over)
    path = f"/api/cases/{case_id}/wrong-answer"
    async with world.browser() as http:
        messages = (await http.get(f"/api/cases/{case_id}")).json()["messages"]
        customers = next(item for item in messages if item["role"] == "customer")
        for message_id in (customers["message_id"], "unknown"):
            refused = await http.post(path, json={"message_id": message_id})
            assert refused.status_code == 404 and "answer of the bot" in refused.json()["title"]
    bots = next(item for item in messages if item["role"] == "bot")
    async with world.browser("eve@other.example") as http:
        refused = await http.post(path, json={"message_id": bots["message_id"]})
        assert refused.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{}, {**REPLY, "text": "  "}, {**REPLY, "text": "x" * 4001}, {**REPLY, "message_id": ""}],
)
async def test_a_reply_out_of_bounds_is_refused(
    world: Any, a_hand_over: Any, body: dict[str, str]
) -> None:
    case_id = await opened(world, a_hand_over)
    async with world.browser() as http:
        await http.post(f"/api/cases/{case_id}/take", json={})
        assert (await http.post(f"/api/cases/{case_id}/reply", json=body)).status_code == 422


async def test_an_open_dashboard_is_told_of_a_new_case(world: Any, a_hand_over: Any) -> None:
    deps: ApiDeps = world.service.api.state.deps
    found = deps.keys.agent("ana@morrow.example", "correct-horse-battery")
    assert found is not None
    _, session = deps.sessions.open(found)
    lines = changes(session, deps)
    assert await anext(lines) == "retry: 2000\n\n"
    waiting = asyncio.ensure_future(anext(lines))
    await asyncio.sleep(0)
    await opened(world, a_hand_over)
    assert (await asyncio.wait_for(waiting, 2)).startswith("event: changed")
    deps.board.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(lines), 2)


class MovingBroker:
    """A sender whose broker is away until it is not."""

    def __init__(self) -> None:
        self.away = True
        self.sent: list[Event] = []

    async def publish(self, *events: Event, timeout_s: float = 5.0) -> object:
        if self.away:
            raise Unavailable("no broker")
        self.sent += events
        return events


async def test_what_an_agent_did_while_the_broker_was_away_goes_out_in_order(
    world: Any, a_hand_over: Any
) -> None:
    case_id = await opened(world, a_hand_over)
    await world.service.stop()  # its own outbox no longer sends: the test's does
    async with world.browser() as http:
        await http.post(f"/api/cases/{case_id}/take", json={})
        await http.post(f"/api/cases/{case_id}/reply", json=REPLY)
    broker = MovingBroker()
    database = open_database(world.runtime.settings.database_url)
    outbox = Outbox(database, broker, retry_s=0.01)
    running = asyncio.create_task(outbox.run())
    await asyncio.sleep(0.05)
    assert broker.sent == []
    broker.away = False
    async with asyncio.timeout(3):
        while len(broker.sent) < 2:
            await asyncio.sleep(0.01)
    outbox.close()
    await running
    assert [type(event) for event in broker.sent] == [OwnerChanged, AgentReplied]
    assert await outbox.flush() == 0
    await database.close()


async def test_the_page_allows_no_foreign_script_and_names_only_files_it_has(world: Any) -> None:
    async with world.anonymous() as http:
        page = await http.get("/")
        assert "default-src 'self'" in page.headers["Content-Security-Policy"]
        for name in ("app.js", "api.js", "case.js", "list.js", "transcript.js", "app.css"):
            assert (await http.get(f"/web/{name}")).status_code == 200
        for name in ("..%2fapi.py", "index.html", "nothing.js"):
            assert (await http.get(f"/web/{name}")).status_code == 404
