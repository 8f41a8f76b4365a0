"""The socket: frames in, numbered frames out, resumed after a drop."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from services.gateway import core, frames
from services.gateway.desk import Desk
from services.gateway.door import address_of
from services.gateway.frames import (
    BadFrame,
    Frame,
    Incoming,
    MessageFrame,
    StopFrame,
    error_frame,
    parse_frame,
)
from services.gateway.replay import settle_pending, stored_frames
from services.gateway.rooms import Key, Listener, Room
from services.gateway.schemas import ChatAnswer
from services.gateway.turns import Ask
from shared import metrics
from shared.errors import Overloaded
from shared.web import Problem

# Close codes. Source: RFC 6455 section 7.4.1 and the IANA registry; 4000 and up are ours.
TOO_MANY = 1013
SLOW_CLIENT = 4008
NOT_ALLOWED = 4401


@dataclass(frozen=True)
class Client:
    """Who is at the other end."""

    socket: WebSocket
    key: Key
    listener: Listener
    user_id: str
    locale: str
    address: str


def routes(desk: Desk) -> APIRouter:
    """The socket operation."""
    router = APIRouter()
    open_by_user: Counter[str] = Counter()

    @router.websocket("/v1/ws")
    async def chat_socket(socket: WebSocket) -> None:
        query = socket.query_params
        await socket.accept()
        if not _origin_allowed(desk, socket):
            await socket.close(NOT_ALLOWED, "this site may not embed the chat")
            return
        try:
            client = await _client(desk, socket)
        except Problem as problem:
            await socket.send_json(error_frame("refused", str(problem)))
            await socket.close(NOT_ALLOWED, str(problem)[:100])
            return
        who = f"{client.key[0]}|{client.user_id or client.address}"
        if (
            open_by_user.total() >= desk.settings.max_sockets
            or open_by_user[who] >= desk.settings.max_sockets_per_user
        ):
            metrics.REFUSED.labels("sockets").inc()
            await socket.close(TOO_MANY, "too many open sockets")
            return
        open_by_user[who] += 1
        metrics.OPEN_SOCKETS.labels("customer").inc()
        try:
            with desk.rooms.listening(client.key, client.listener) as room:
                await _serve(desk, client, room, query.get("after"))
        finally:
            metrics.OPEN_SOCKETS.labels("customer").dec()
            open_by_user[who] -= 1
            if not open_by_user[who]:
                del open_by_user[who]

    return router


def _origin_allowed(desk: Desk, socket: WebSocket) -> bool:
    allowed = desk.settings.cors_origins
    origin = socket.headers.get("origin")
    own = f"//{socket.headers.get('host', '')}"
    return allowed == "*" or not origin or origin.endswith(own) or origin in allowed.split(",")


async def _client(desk: Desk, socket: WebSocket) -> Client:
    query = socket.query_params
    tenant = desk.door.tenant_of_widget(socket.headers, query)
    wanted = query.get("conversation_id") or None
    if wanted is not None and not core.is_conversation_id(wanted):
        raise Problem(422, "conversation_id: 1 to 64 of A-Z a-z 0-9 _ -")
    shown = query.get("token") or socket.headers.get("x-switchboard-token", "")
    if wanted is not None and desk.door.opens((tenant, wanted), shown):
        key, token = (tenant, wanted), shown
    else:
        key, fresh = await desk.conversation(tenant, wanted)
        await desk.conversations.claim(key)
        token = fresh or ""
    return Client(
        socket,
        key,
        desk.listener(token or None),
        user_id=query.get("user_id", "")[:128],
        locale=query.get("locale", "en")[:16],
        address=address_of(socket),
    )


async def _serve(desk: Desk, client: Client, room: Room, after: str | None) -> None:
    if client.socket.query_params.get("hello"):
        client.listener.tell(
            {
                "type": "ready",
                "conversation_id": client.key[1],
                "conversation_token": client.listener.token,
            }
        )
    if after is not None:
        await _resume(desk, client, room, after)
    mode = desk.policy.current.mode
    if mode != "full":
        client.listener.tell({"type": "mode", "mode": mode})
    sending = asyncio.create_task(_send_all(desk, client))
    receiving = asyncio.create_task(_receive_all(desk, client))
    _, unfinished = await asyncio.wait([sending, receiving], return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(sending, receiving, return_exceptions=True)


async def _resume(desk: Desk, client: Client, room: Room, after: str) -> None:
    if client.listener.token is None:
        detail = "send `token` to read earlier frames of this conversation"
        client.listener.tell(error_frame("token_needed", detail))
        return
    number = int(after) if after.isdigit() and len(after) < 12 else 0
    known = await desk.conversations.exists(client.key) and number > 0
    client.listener.cursor = number
    if not await desk.delivery.resume(room, client.listener, number, known=known):
        for frame in await stored_frames(desk.history, client.key):
            client.listener.tell(frame)
    await settle_pending(desk, client.key)


async def _send_all(desk: Desk, client: Client) -> None:
    while (frame := await client.listener.next()) is not None:
        try:
            async with asyncio.timeout(desk.settings.send_timeout_s):
                await client.socket.send_text(json.dumps(frame))
        except (WebSocketDisconnect, RuntimeError):
            return  # the client has gone
        except TimeoutError:
            break
    await client.socket.close(SLOW_CLIENT, "too slow; resume with `after`")


async def _receive_all(desk: Desk, client: Client) -> None:
    while True:
        message = await client.socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        data = message.get("text") or message.get("bytes") or ""
        if len(data) > desk.settings.max_frame_bytes:
            client.listener.tell(error_frame("too_large", "the frame is too large"))
            continue
        try:
            await _act(desk, client, parse_frame(data))
        except BadFrame as error:
            client.listener.tell(error_frame("bad_frame", str(error)))


async def _act(desk: Desk, client: Client, frame: Incoming) -> None:
    if isinstance(frame, MessageFrame):
        await _take_message(desk, client, frame)
    elif isinstance(frame, StopFrame):
        found = await desk.conversations.conversation_of(client.key[0], frame.turn_id)
        if found == client.key[1]:
            await desk.turns.stop(client.key, frame.turn_id)
        else:
            client.listener.tell(error_frame("unknown_turn", "no such turn here"))
    elif client.listener.token is not None:
        await desk.presence.notice(client.key, frame.type)


async def _take_message(desk: Desk, client: Client, frame: MessageFrame) -> None:
    ask = Ask(
        key=client.key,
        text=frame.text,
        user_id=client.user_id,
        locale=client.locale,
        client_id=frame.client_id,
    )
    claimed = False
    try:
        desk.checked_text(frame.text)
        if frame.client_id:
            turn_id = await desk.conversations.claim_message(
                client.key, frame.client_id, ask.turn_id
            )
            if turn_id != ask.turn_id:
                client.listener.turns.add(turn_id)
                client.listener.tell(frames.repeated_ack(client.key[1], turn_id, frame.client_id))
                return
            claimed = True
        await desk.allow(client.key[0], client.user_id or client.key[1])
        client.listener.turns.add(ask.turn_id)
        turn = desk.turns.begin(ask)
        turn.result.add_done_callback(lambda done: _report(client, frame, done))
    except (Problem, Overloaded) as error:
        client.listener.tell(_refusal(frame, error))
        if claimed:
            await desk.conversations.release_message(client.key, frame.client_id)


def _report(client: Client, frame: MessageFrame, done: asyncio.Future[ChatAnswer]) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        client.listener.tell(_refusal(frame, error))


def _refusal(frame: MessageFrame, error: BaseException) -> Frame:
    if isinstance(error, Problem):
        code = "rate_limited" if error.status == 429 else "invalid"
        detail = str(error.body.get("detail") or error)
        retry = error.headers.get("Retry-After")
        more = {"retry_after_s": int(retry)} if retry else {}
        return error_frame(code, detail, client_id=frame.client_id, **more)
    retry_s = error.retry_after_s if isinstance(error, Overloaded) else 1.0
    return error_frame(
        "busy", "too busy right now", client_id=frame.client_id, retry_after_s=retry_s
    )
