"""Questions over HTTP: blocking or as server-sent events; stop and feedback."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from services.gateway import core
from services.gateway.desk import Desk
from services.gateway.door import address_of
from services.gateway.frames import Frame
from services.gateway.rooms import Key, Listener
from services.gateway.schemas import (
    Accepted,
    ChatRequest,
    ChatResponse,
    FeedbackRequest,
    StopResponse,
    problems,
)
from services.gateway.turns import Ask
from shared.errors import Overloaded
from shared.events import FeedbackGiven
from shared.web import Problem

_STREAM = {
    "description": "The answer, or with `Accept: text/event-stream` numbered frames up to it",
    "content": {"text/event-stream": {"example": "id: 1\nevent: ack\ndata: {…}\n\n"}},
}

CacheControl = Annotated[
    str,
    Header(
        description="`no-cache`: answer afresh, not from the cache. `no-store`: that, and do not "
        "remember the answer either.",
        examples=["no-cache"],
    ),
]


def busy(error: Overloaded) -> Problem:
    """Too much at once: come back in a moment."""
    seconds = max(1, round(error.retry_after_s))
    return Problem(503, "Too busy right now", headers={"Retry-After": str(seconds)})


def routes(desk: Desk) -> APIRouter:
    """The chat operations."""
    router = APIRouter(tags=["chat"])

    @router.post(
        "/v1/chat",
        response_model=ChatResponse,
        responses={200: _STREAM, **problems(401, 413, 422, 429, 503)},
    )
    async def chat(
        body: ChatRequest, request: Request, cache_control: CacheControl = ""
    ) -> Response:
        """Ask a question. Always answered by the deadline, if need be with an honest text."""
        tenant = desk.door.tenant_of_widget(request.headers, request.query_params)
        text = desk.checked_text(body.message)
        address = address_of(request)
        who = body.user_id or body.conversation_id or address
        allowance = await desk.allow(tenant, who)
        key, token = await desk.conversation(tenant, body.conversation_id)
        ask = Ask(
            key=key,
            text=text,
            user_id=body.user_id or "",
            locale=body.locale,
            cache_control=cache_control,
            begins=token is not None,
        )
        headers = dict(allowance.headers)
        if "text/event-stream" in request.headers.get("accept", ""):
            return _stream(desk, ask, token, headers)
        try:
            answer = await asyncio.shield(desk.turns.begin(ask).result)
        except Overloaded as error:
            raise busy(error) from None
        return JSONResponse({**answer.model_dump(), "conversation_token": token}, headers=headers)

    @router.post(
        "/v1/turns/{turn_id}/stop",
        status_code=202,
        response_model=StopResponse,
        responses=problems(401, 404),
    )
    async def stop(turn_id: str, request: Request) -> StopResponse:
        """Stop an answer; the turn ends with what was shown of it."""
        key = await _known_turn(desk, request, turn_id)
        await desk.turns.stop(key, turn_id)
        return StopResponse(turn_id=turn_id)

    @router.post(
        "/v1/feedback",
        status_code=202,
        response_model=Accepted,
        responses=problems(401, 404, 422, 503),
    )
    async def feedback(body: FeedbackRequest, request: Request) -> Accepted:
        """A thumb up or down for one turn. Personal data in the comment is masked by rules."""
        key = await _known_turn(desk, request, body.turn_id)
        event = FeedbackGiven(
            tenant_id=key[0],
            conversation_id=key[1],
            turn_id=body.turn_id,
            rating=body.rating,
            comment=core.masked_comment(body.comment),
            given_unix_ms=desk.clock.unix_ms(),
        )
        await desk.publish(event)
        return Accepted()

    return router


async def _known_turn(desk: Desk, request: Request, turn_id: str) -> Key:
    tenant = desk.door.tenant_of_widget(request.headers, request.query_params)
    conversation_id = await desk.conversations.conversation_of(tenant, turn_id)
    if conversation_id is None:
        raise Problem(404, "No such turn")
    return tenant, conversation_id


def _stream(desk: Desk, ask: Ask, token: str | None, headers: dict[str, str]) -> Response:
    listener = desk.listener(token)
    listener.turns.add(ask.turn_id)
    room = desk.rooms.enter(ask.key)
    room.listeners.add(listener)
    try:
        turn = desk.turns.begin(ask)
    except Overloaded as error:
        room.listeners.discard(listener)
        desk.rooms.leave(room)
        raise busy(error) from None

    async def frames() -> AsyncIterator[str]:
        try:
            async for text in _events(desk, listener, turn.turn_id):
                yield text
        finally:
            room.listeners.discard(listener)
            desk.rooms.leave(room)

    headers |= {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(frames(), media_type="text/event-stream", headers=headers)


async def _events(desk: Desk, listener: Listener, turn_id: str) -> AsyncIterator[str]:
    while True:
        try:
            frame = await asyncio.wait_for(listener.next(), desk.settings.ping_every_s)
        except TimeoutError:
            yield ": ping\n\n"
            continue
        if frame is None:
            return
        if frame.get("turn_id", turn_id) == turn_id:
            yield event_text(frame)
            if frame["type"] == "answer":
                return


def event_text(frame: Frame) -> str:
    """One frame as a server-sent event. Source: WHATWG HTML, section 9.2."""
    number = f"id: {frame['seq']}\n" if "seq" in frame and "id" in frame else ""
    return f"{number}event: {frame['type']}\ndata: {json.dumps(frame)}\n\n"
