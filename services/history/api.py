"""Transcripts over HTTP, for the other services only: the gateway checks who may read what."""

import hmac
from collections.abc import Callable
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Response
from fastapi.responses import JSONResponse

from services.history import core
from shared.web import Problem

INTERNAL_HEADER = "X-Switchboard-Internal"


class Library(Protocol):
    """Where transcripts are read."""

    async def get(self, tenant_id: str, conversation_id: str) -> dict[str, Any] | None: ...

    async def recent(
        self, tenant_id: str, limit: int, before: tuple[int, str] | None
    ) -> list[dict[str, Any]]: ...


Tenant = Annotated[str, Query(min_length=1, max_length=100)]


def _guard(token: str) -> Callable[[str], None]:
    def only_internal(x_switchboard_internal: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(x_switchboard_internal.encode(), token.encode()):
            raise Problem(401, "This API is for Switchboard's own services")

    return only_internal


def build_api(library: Library, token: str, page_limit: int) -> FastAPI:
    """The API; `token` is what callers show in X-Switchboard-Internal."""
    api = FastAPI(title="Switchboard history", version="1")
    routes = APIRouter(prefix="/v1/conversations", dependencies=[Depends(_guard(token))])

    async def transcript(conversation_id: str, tenant: str) -> dict[str, Any]:
        found = await library.get(tenant, conversation_id)
        if found is None:
            raise Problem(404, "No such conversation")
        return found

    @routes.get("")
    async def recent(
        tenant: Tenant, limit: Annotated[int, Query(ge=1)] = 50, before: str = ""
    ) -> dict[str, Any]:
        """Conversations of a tenant, newest first; `next` is the `before` of the next page."""
        position = core.parse_cursor(before)
        if before and position is None:
            raise Problem(422, "The request is not valid", "before: not a cursor of this list")
        limit = min(limit, page_limit)
        heads = await library.recent(tenant, limit, position)
        following = core.next_cursor(heads, limit)
        return {"conversations": [core.head(item) for item in heads], "next": following}

    @routes.get("/{conversation_id}")
    async def read(conversation_id: str, tenant: Tenant) -> dict[str, Any]:
        """One conversation with messages and feedback."""
        return await transcript(conversation_id, tenant)

    @routes.get("/{conversation_id}/export")
    async def export(conversation_id: str, tenant: Tenant) -> Response:
        """The same as a file to hand to the customer."""
        body = {"format": "switchboard.transcript.v1", **await transcript(conversation_id, tenant)}
        # The id came back from the database, but a header is no place to trust a path segment.
        name = "".join(c for c in conversation_id if c.isascii() and (c.isalnum() or c in "-_"))
        disposition = f'attachment; filename="conversation-{name}.json"'
        return JSONResponse(body, headers={"Content-Disposition": disposition})

    api.include_router(routes)
    return api
