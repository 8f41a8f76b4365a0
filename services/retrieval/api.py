"""Documents as they are searched, for the gateway only: it checks who may read them."""

from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Header, Query, Response

from services.retrieval.export import document_of
from shared.errors import Overloaded, Transient
from shared.tokens import matches
from shared.vectors import Chunk
from shared.web import Problem

Tenant = Annotated[str, Query(min_length=1, max_length=100)]


class Library(Protocol):
    """Where documents are read. Raises Overloaded, Transient."""

    async def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]: ...


def build_api(library: Library, token: str) -> FastAPI:
    """The API of one retrieval; `token` is what callers show in X-Switchboard-Internal."""
    api = FastAPI(title="Switchboard retrieval", version="1")

    @api.exception_handler(Transient)
    @api.exception_handler(Overloaded)
    async def on_away(_request: object, _error: Exception) -> Response:
        return Problem(503, "The index is away", "", {"Retry-After": "2"}).response()

    @api.get("/v1/documents/{document_id}")
    async def read(
        document_id: str, tenant: Tenant, x_switchboard_internal: Annotated[str, Header()] = ""
    ) -> dict[str, Any]:
        """One document with its text as Markdown."""
        if not matches(token, x_switchboard_internal):
            raise Problem(401, "This API is for Switchboard's own services")
        chunks = await library.chunks_of(tenant, document_id)
        if not chunks:
            raise Problem(404, "No such document")
        return document_of(chunks)

    return api
