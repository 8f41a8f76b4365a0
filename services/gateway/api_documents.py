"""Documents, for admins: give, list, read, withdraw; how far an import is; what is missing."""

import base64
import binascii
from typing import Annotated, Any, get_args

from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError

from services.gateway import core
from services.gateway.desk import Desk
from services.gateway.schemas import problems
from services.gateway.schemas_documents import (
    DOCUMENT_ID_PATTERN,
    INGESTION_ID_PATTERN,
    DocumentAccepted,
    DocumentContent,
    DocumentFacts,
    DocumentList,
    DocumentRequest,
    DocumentState,
    IngestionOut,
    MediaType,
)
from shared.documents import BINARY, TEXT_TYPES
from shared.errors import Transient, Unavailable
from shared.events import DocumentSubmitted
from shared.ingestions import Step
from shared.web import Problem

DocumentId = Annotated[str, Path(pattern=DOCUMENT_ID_PATTERN)]
IngestionId = Annotated[str, Path(pattern=INGESTION_ID_PATTERN)]
State = Annotated[DocumentState | None, Query(description="only documents in this state")]
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": DocumentRequest.model_json_schema()},
            **{
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in get_args(MediaType)
            },
        },
    }
}


def document_routes(desk: Desk) -> APIRouter:
    """Documents: put, list, read, withdraw."""
    router = APIRouter(tags=["documents"])

    @router.put(
        "/v1/documents/{document_id}",
        status_code=202,
        response_model=DocumentAccepted,
        responses=problems(401, 413, 422, 503),
        openapi_extra=_BODY,
    )
    async def put(
        document_id: DocumentId, request: Request, facts: Annotated[DocumentFacts, Query()]
    ) -> DocumentAccepted:
        """Give or replace a document, as JSON or as the file itself; facts go into JSON or query.

        What the file is, its content decides. It is read, cut and indexed in the background.
        """
        tenant = desk.door.tenant_of_admin(request.headers)
        given, content = await _document(request, facts)
        if len(content) > desk.settings.max_document_bytes:
            limit = desk.settings.max_document_bytes
            raise Problem(413, "The document is too large", f"At most {limit} bytes.")
        if not desk.catalogue.has_room(desk.clock.unix_ms()):
            raise Problem(503, "Too many documents are on their way", headers={"Retry-After": "2"})
        event = core.submission(tenant, document_id, given, content, desk.clock.unix_ms())
        step = Step("submitted", event.name)
        await desk.ingestions.note(tenant, event.ingestion_id, document_id, step)
        await desk.publish(event)
        desk.catalogue.submit(event, core.title_of(event) or document_id, len(event.content))
        return DocumentAccepted(id=document_id, version=event.version)

    @router.get("/v1/documents", response_model=DocumentList, responses=problems(401))
    async def documents(request: Request, state: State = None) -> DocumentList:
        """The catalogue: what is indexed, rejected or on its way, and how many of each."""
        tenant = desk.door.tenant_of_admin(request.headers)
        found = list(desk.catalogue.documents(tenant))
        return DocumentList(
            documents=[row for row in found if state in (None, row.state)],
            counts={name: sum(r.state == name for r in found) for name in get_args(DocumentState)},
            chunks=sum(row.chunks for row in found),
            knowledge_version=desk.catalogue.version(tenant),
        )

    @router.get(
        "/v1/documents/{document_id}",
        response_model=DocumentContent,
        responses=problems(401, 404, 503),
    )
    async def read(document_id: DocumentId, request: Request) -> dict[str, Any]:
        """A document as answers are made from it: Markdown, with all that is known about it."""
        tenant = desk.door.tenant_of_admin(request.headers)
        try:
            found = await desk.library.document(tenant, document_id)
        except Transient:
            raise _away("Documents") from None
        if found is None:
            raise Problem(404, "No such document")
        return found

    @router.delete(
        "/v1/documents/{document_id}",
        status_code=202,
        response_model=DocumentAccepted,
        responses=problems(401, 404, 503),
    )
    async def withdraw(document_id: DocumentId, request: Request) -> DocumentAccepted:
        """Withdraw a document. It leaves the index in the background."""
        tenant = desk.door.tenant_of_admin(request.headers)
        if not desk.catalogue.knows(tenant, document_id):
            raise Problem(404, "No such document")
        change = desk.catalogue.change(tenant, document_id)
        event = DocumentSubmitted(
            tenant_id=tenant,
            document_id=document_id,
            version=change.version if change else "",
            withdrawn=True,
            submitted_unix_ms=desk.clock.unix_ms(),
        )
        await desk.publish(event)
        desk.catalogue.submit(event, change.title if change else document_id, 0)
        return DocumentAccepted(id=document_id, version=event.version)

    return router


def knowledge_routes(desk: Desk) -> APIRouter:
    """How far an import is, and what the knowledge lacks."""
    router = APIRouter(tags=["documents"])

    @router.get(
        "/v1/ingestions/{ingestion_id}",
        response_model=IngestionOut,
        responses=problems(401, 404, 503),
    )
    async def ingestion(ingestion_id: IngestionId, request: Request) -> IngestionOut:
        """How far an import is: every document that was put with this `ingestion_id`."""
        tenant = desk.door.tenant_of_admin(request.headers)
        try:
            steps = await desk.ingestions.steps(tenant, ingestion_id)
        except Unavailable:
            raise _away("Imports") from None
        if not steps:
            raise Problem(404, "No such import", "It is kept for seven days.")
        return IngestionOut.of(ingestion_id, steps)

    @router.get("/v1/coverage", responses=problems(401, 503))
    async def coverage(
        request: Request, days: Annotated[int, Query(ge=1, le=365)] = 7
    ) -> dict[str, Any]:
        """What customers asked and no document answers; articles nobody needs or nobody likes."""
        tenant = desk.door.tenant_of_admin(request.headers)
        try:
            return await desk.history.coverage(tenant, days)
        except Transient:
            raise _away("The report") from None

    return router


def _away(what: str) -> Problem:
    headers = {"Retry-After": "5"}
    return Problem(503, f"{what} cannot be read right now", headers=headers)


async def _document(request: Request, facts: DocumentFacts) -> tuple[DocumentRequest, bytes]:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    body = await request.body()
    try:
        if kind == "application/json":
            given = DocumentRequest.model_validate_json(body)
            return given, _content(given)
        if kind not in get_args(MediaType):
            known = ", ".join(get_args(MediaType))
            raise Problem(422, "The request is not valid", f"content-type: one of {known}")
        if not body:
            raise Problem(422, "The request is not valid", "the body is empty")
        text = _text(body, kind)
        fields = {**facts.model_dump(), "media_type": kind if text is not None else BINARY}
        packed = {"content": text} if text else {"content_base64": base64.b64encode(body).decode()}
        return DocumentRequest.model_validate({**fields, **packed}), body
    except ValidationError as error:
        named = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()
        )
        raise Problem(422, "The request is not valid", named) from None


def _content(given: DocumentRequest) -> bytes:
    try:
        return given.content_bytes
    except binascii.Error:
        raise Problem(422, "The request is not valid", "content_base64: not base64") from None


def _text(body: bytes, kind: str) -> str | None:
    if kind not in TEXT_TYPES:
        return None
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise Problem(422, "The request is not valid", "content: must be UTF-8 text") from None
