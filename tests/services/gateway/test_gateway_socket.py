"""The socket: frames in and out, resume, take-over, bounds."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect

from services.gateway.frames import BadFrame, MessageFrame, parse_frame
from services.gateway.rooms import Listener
from shared.boards import PolicyBoard
from shared.clock import SystemClock
from shared.codec import decode
from shared.events import PresenceNoticed
from shared.publisher import Publisher
from tests.services.gateway.conftest import Gateway
from tests.services.gateway.neighbours import agent_says, take_over


@asynccontextmanager
async def listening(gateway: Gateway) -> AsyncIterator[str]:
    """The gateway's app on a free port."""
    config = uvicorn.Config(gateway.app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"ws://127.0.0.1:{port}/v1/ws?key=widget&hello=1"
    finally:
        server.should_exit = True
        await task


async def frame(socket: ClientConnection, *kinds: str) -> dict[str, Any]:
    """The next frame, of one of these kinds if any are named."""
    while True:
        found: dict[str, Any] = json.loads(await asyncio.wait_for(socket.recv(), 5))
        if not kinds or found["type"] in kinds:
            return found


async def say(socket: ClientConnection, text: str, **more: str) -> None:
    await socket.send(json.dumps({"type": "message", "text": text, **more}))


async def test_a_message_is_acknowledged_streamed_and_answered(gateway: Gateway) -> None:
    async with listening(gateway) as url, connect(url) as socket:
        ready = await frame(socket)
        assert ready["type"] == "ready" and ready["conversation_token"]
        await say(socket, "How long can I return an item?", client_id="a")
        kinds = [(await frame(socket))["type"] for _ in range(7)]
        assert kinds == ["ack", "typing", "delta", "delta", "delta", "citation", "answer"]


async def test_after_a_drop_nothing_is_lost_or_doubled(gateway: Gateway) -> None:
    async with listening(gateway) as url:
        async with connect(url) as socket:
            ready = await frame(socket)
            await say(socket, "hello", client_id="a")
            answer = await frame(socket, "answer")
        query = f"&conversation_id={ready['conversation_id']}&token={ready['conversation_token']}"
        await gateway.client.post(
            "/v1/chat",
            json={"message": "meanwhile", "conversation_id": ready["conversation_id"]},
            headers={"X-Switchboard-Key": "widget"},
        )
        async with connect(f"{url}{query}&after={answer['seq']}") as socket:
            assert (await frame(socket))["type"] == "ready"
            assert (await frame(socket))["seq"] == answer["seq"] + 1
            assert (await frame(socket, "answer"))["answer"].startswith("You said: meanwhile")
            await say(socket, "hello", client_id="a")
            repeated = await frame(socket)
            assert repeated["repeated"] and repeated["turn_id"] == answer["turn_id"]


async def test_resuming_past_the_buffer_says_that_there_is_a_gap(gateway: Gateway) -> None:
    async with listening(gateway) as url:
        async with connect(url) as socket:
            ready = await frame(socket)
            await say(socket, "hello")
            await frame(socket, "answer")
        query = f"&conversation_id={ready['conversation_id']}&token={ready['conversation_token']}"
        async with connect(f"{url}{query}&after=40") as socket:
            gap = await frame(socket, "gap")
            assert gap["reset"] and gap["seq"] == 0


async def test_without_the_token_earlier_frames_are_not_shown(gateway: Gateway) -> None:
    async with listening(gateway) as url:
        async with connect(url) as socket:
            ready = await frame(socket)
            await say(socket, "my secret")
            await frame(socket, "answer")
        query = f"&conversation_id={ready['conversation_id']}&after=0"
        async with connect(url + query) as socket:
            assert (await frame(socket))["conversation_token"] is None
            assert (await frame(socket))["code"] == "token_needed"
            await say(socket, "hello")
            assert (await frame(socket, "answer"))["answer"].startswith("You said: hello")


@pytest.mark.parametrize("bad", ["{", "[]", '{"type": "dance"}', '{"type": "message"}', "null"])
async def test_a_malformed_frame_is_an_error_and_the_socket_stays(
    gateway: Gateway, bad: str
) -> None:
    async with listening(gateway) as url, connect(url) as socket:
        await socket.send(bad)
        assert (await frame(socket, "error"))["code"] == "bad_frame"
        await say(socket, "hello")
        await frame(socket, "answer")


async def test_a_stopped_turn_ends_with_what_was_shown(gateway: Gateway) -> None:
    async with listening(gateway) as url, connect(url) as socket:
        await say(socket, "nothing")
        ack = await frame(socket, "ack")
        await socket.send(json.dumps({"type": "stop", "turn_id": ack["turn_id"]}))
        answer = await frame(socket, "answer")
        assert answer["stopped"] and answer["turn_id"] == ack["turn_id"]


async def test_after_a_takeover_the_person_speaks_and_the_bot_is_silent(gateway: Gateway) -> None:
    bus = Publisher(gateway.bus, PolicyBoard(), "escalation")
    async with listening(gateway) as url, connect(url) as socket:
        conversation_id = (await frame(socket))["conversation_id"]
        await say(socket, "nothing")
        await frame(socket, "ack")
        await bus.publish(take_over("morrow", conversation_id, SystemClock().unix_ms()))
        assert (await frame(socket, "owner"))["agent_name"] == "Sam"
        assert (await frame(socket, "answer"))["relayed"]
        await bus.publish(agent_says("morrow", conversation_id, "Hi!"))
        assert (await frame(socket, "agent_message"))["text"] == "Hi!"
        await say(socket, "My machine leaks")
        assert (await frame(socket, "answer"))["relayed"]
        assert (await frame(socket, "agent_message"))["text"] == "I see: My machine leaks"


@given(st.text() | st.binary())
def test_no_text_at_all_breaks_the_parser(text: str | bytes) -> None:
    try:
        parse_frame(text)
    except BadFrame as error:
        assert len(str(error)) <= 300


@given(st.text(min_size=1), st.text(max_size=64))
def test_every_message_survives_the_way_through_a_frame(text: str, client_id: str) -> None:
    sent = json.dumps({"type": "message", "text": text, "client_id": client_id})
    assert parse_frame(sent) == MessageFrame(type="message", text=text, client_id=client_id)


async def test_a_slow_client_is_let_go_without_a_hole() -> None:
    listener = Listener(token="t", after=0, limit=2, mode="full")
    for seq in range(1, 5):
        listener.push(seq, {"type": "delta", "id": str(seq), "turn_id": "t"})
    assert [(await listener.next() or {})["seq"] for _ in range(2)] == [1, 2]
    listener.push(5, {"type": "delta", "id": "5", "turn_id": "t"})
    assert await listener.next() is None


async def heard_presence(gateway: Gateway, count: int) -> list[PresenceNoticed]:
    """The first notices of customers."""
    subscription = gateway.bus.subscribe([PresenceNoticed.topic], None, start="earliest")
    heard: list[PresenceNoticed] = []
    async with asyncio.timeout(5):
        async for message in subscription:
            event = decode(message)
            assert isinstance(event, PresenceNoticed)
            heard.append(event)
            subscription.done(message)
            if len(heard) == count:
                break
    await subscription.close()
    return heard


async def test_an_agent_hears_that_the_customer_types_and_has_read_but_not_of_every_key(
    gateway: Gateway,
) -> None:
    async with listening(gateway) as url, connect(url) as socket:
        ready = await frame(socket)
        await socket.send('{"type": "typing"}')  # the bot has it: nobody is told
        await say(socket, "hello")
        await frame(socket, "answer")
        key = ("morrow", ready["conversation_id"])
        publisher = Publisher(gateway.bus, PolicyBoard(), "escalation")
        await publisher.publish(take_over(*key, SystemClock().unix_ms()))
        await frame(socket, "owner")
        for kind in ("typing", "typing", "typing", "read"):
            await socket.send(json.dumps({"type": kind}))
        notices = await heard_presence(gateway, 2)
    assert [(event.side, event.state) for event in notices] == [
        ("customer", "typing"),
        ("customer", "read"),
    ]


async def test_a_customer_sees_that_the_agent_is_writing(gateway: Gateway) -> None:
    async with listening(gateway) as url, connect(url) as socket:
        ready = await frame(socket)
        notice = PresenceNoticed(
            tenant_id="morrow",
            conversation_id=ready["conversation_id"],
            side="agent",
            state="typing",
            agent_name="Sam",
            at_unix_ms=1,
        )
        await Publisher(gateway.bus, PolicyBoard(), "escalation").publish(notice)
        shown = await frame(socket, "typing")
    assert shown == {"type": "typing", "who": "agent", "agent_name": "Sam"}
