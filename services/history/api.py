"""Transcripts over HTTP, for the other services only: the gateway checks who may read what."""

from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from services.history import core
from shared.errors import Unavailable
from shared.tokens import matches
from shared.web import Problem


class Library(Protocol):
    """Where transcripts are read."""

    async def get(self, tenant_id: str, conversation_id: str) -> dict[str, Any] | None: ...

    async def recent(
        self, tenant_id: str, limit: int, before: tuple[int, str] | None
    ) -> list[dict[str, Any]]: ...


class Reports(Protocol):
    """Where coverage reports come from."""

    async def coverage(self, tenant_id: str, days: int) -> dict[str, Any]: ...


@dataclass(frozen=True)
class ApiDeps:
    """What the API needs; `token` is what callers show in X-Switchboard-Internal."""

    library: Library
    reports: Reports
    token: str
    page_limit: int


def _deps(request: Request, x_switchboard_internal: Annotated[str, Header()] = "") -> ApiDeps:
    deps: ApiDeps = request.app.state.deps
    if not matches(deps.token, x_switchboard_internal):
        raise Problem(401, "This API is for Switchboard's own services")
    return deps


Admitted = Annotated[ApiDeps, Depends(_deps)]
Tenant = Annotated[str, Query(min_length=1, max_length=100)]

router = APIRouter(prefix="/v1/conversations")
about_documents = APIRouter(prefix="/v1/coverage")


def build_api(deps: ApiDeps) -> FastAPI:
    """The API of one history."""
    api = FastAPI(title="Switchboard history", version="1")
    api.state.deps = deps

    @api.exception_handler(Unavailable)
    async def on_unavailable(_request: Request, _error: Unavailable) -> Response:
        return Problem(503, "The transcript store is away", "", {"Retry-After": "2"}).response()

    api.include_router(router)
    api.include_router(about_documents)
    return api


@router.get("")
async def recent(
    deps: Admitted, tenant: Tenant, limit: Annotated[int, Query(ge=1)] = 50, before: str = ""
) -> dict[str, Any]:
    """Conversations of a tenant, newest first; `next` is the `before` of the next page."""
    position = core.parse_cursor(before)
    if before and position is None:
        raise Problem(422, "The request is not valid", "before: not a cursor of this list")
    limit = min(limit, deps.page_limit)
    heads = await deps.library.recent(tenant, limit, position)
    following = core.next_cursor(heads, limit)
    return {"conversations": [core.head(item) for item in heads], "next": following}


@router.get("/{conversation_id}")
async def read(conversation_id: str, deps: Admitted, tenant: Tenant) -> dict[str, Any]:
    """One conversation with messages and feedback."""
    found = await deps.library.get(tenant, conversation_id)
    if found is None:
        raise Problem(404, "No such conversation")
    return found


@router.get("/{conversation_id}/export")
async def export(conversation_id: str, deps: Admitted, tenant: Tenant) -> Response:
    """The same as a file to hand to the customer."""
    found = await read(conversation_id, deps, tenant)
    body = {"format": "switchboard.transcript.v1", **found}
    # A header is no place to trust a path segment, even one that named a conversation.
    name = "".join(c for c in conversation_id if c.isascii() and (c.isalnum() or c in "-_"))
    disposition = f'attachment; filename="conversation-{name}.json"'
    return JSONResponse(body, headers={"Content-Disposition": disposition})


@about_documents.get("")
async def coverage(
    deps: Admitted, tenant: Tenant, days: Annotated[int, Query(ge=1, le=365)] = 7
) -> dict[str, Any]:
    """What was asked and no document answers; articles nobody needs or nobody likes."""
    return await deps.reports.coverage(tenant, days)
