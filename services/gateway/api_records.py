"""Conversations, for who began them, agents and admins."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response

from services.gateway.desk import Desk
from services.gateway.rooms import Key
from services.gateway.schemas import ID_PATTERN, Accepted, problems
from shared.errors import Transient
from shared.events import ConversationErased
from shared.web import Problem

ConversationId = Annotated[str, Path(pattern=ID_PATTERN)]


def conversation_routes(desk: Desk) -> APIRouter:
    """Conversations: read, export, erase."""
    router = APIRouter(tags=["conversations"])

    async def stored(key: Key, *, export: bool = False) -> dict[str, object]:
        try:
            found = await desk.history.conversation(key, export=export)
        except Transient:
            raise Problem(
                503,
                "Stored conversations cannot be read right now",
                headers={"Retry-After": "5"},
            ) from None
        if found is None:
            raise Problem(404, "No such conversation")
        return found

    @router.get("/v1/conversations/{conversation_id}", responses=problems(401, 403, 404, 503))
    async def read(conversation_id: ConversationId, request: Request) -> dict[str, object]:
        """The stored conversation, screened. Needs its token, or an agent's or admin's key."""
        return await stored(desk.door.reader(request, conversation_id))

    @router.get(
        "/v1/conversations/{conversation_id}/export", responses=problems(401, 403, 404, 503)
    )
    async def export(conversation_id: ConversationId, request: Request) -> Response:
        """All that is kept about the conversation, as a file."""
        found = await stored(desk.door.reader(request, conversation_id), export=True)
        name = f'attachment; filename="conversation-{conversation_id}.json"'
        return JSONResponse(json.loads(json.dumps(found)), headers={"Content-Disposition": name})

    @router.delete(
        "/v1/conversations/{conversation_id}",
        status_code=202,
        response_model=Accepted,
        responses=problems(401, 403, 503),
    )
    async def erase(conversation_id: ConversationId, request: Request) -> Accepted:
        """Erase the conversation everywhere."""
        key = desk.door.reader(request, conversation_id)
        event = ConversationErased(
            tenant_id=key[0],
            conversation_id=conversation_id,
            erased_unix_ms=desk.clock.unix_ms(),
        )
        await desk.publish(event)
        await desk.forget(key)
        return Accepted()

    return router
