"""Documents (for admins) and conversations (for who began them, agents and admins)."""

import json
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import ValidationError

from services.gateway import core
from services.gateway.desk import Desk
from services.gateway.rooms import Key
from services.gateway.schemas import (
    DOCUMENT_ID_PATTERN,
    ID_PATTERN,
    Accepted,
    DocumentAccepted,
    DocumentList,
    DocumentRequest,
    problems,
)
from shared.errors import Transient
from shared.events import ConversationErased, DocumentSubmitted
from shared.web import Problem

DocumentId = Annotated[str, Path(pattern=DOCUMENT_ID_PATTERN)]
ConversationId = Annotated[str, Path(pattern=ID_PATTERN)]
_TEXT_TYPES = ("text/markdown", "text/html", "text/plain")
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": DocumentRequest.model_json_schema()},
            **{kind: {"schema": {"type": "string"}} for kind in _TEXT_TYPES},
        },
    }
}


def document_routes(desk: Desk) -> APIRouter:
    """Documents: put, list, withdraw."""
    router = APIRouter(tags=["documents"])

    @router.put(
        "/v1/documents/{document_id}",
        status_code=202,
        response_model=DocumentAccepted,
        responses=problems(401, 413, 422, 503),
        openapi_extra=_BODY,
    )
    async def put(document_id: DocumentId, request: Request) -> DocumentAccepted:
        """Give or replace a document, as JSON or as the text itself. Indexed in the background."""
        tenant = desk.door.tenant_of_admin(request.headers)
        document = await _document(request)
        if len(document.content.encode()) > desk.settings.max_document_bytes:
            limit = desk.settings.max_document_bytes
            raise Problem(413, "The document is too large", f"At most {limit} bytes.")
        event = DocumentSubmitted(
            tenant_id=tenant,
            document_id=document_id,
            version=core.document_version(document.content),
            title=document.title or core.title_of(document.content, document_id),
            content=document.content,
            media_type=document.media_type,
            source=document.source,
            locale=document.locale,
            product=document.product,
            submitted_unix_ms=desk.clock.unix_ms(),
        )
        await desk.publish(event)
        desk.catalogue.submit(event.model_copy(update={"content": ""}))
        return DocumentAccepted(id=document_id, version=event.version)

    @router.get("/v1/documents", response_model=DocumentList, responses=problems(401))
    async def documents(request: Request) -> DocumentList:
        """The catalogue: what is indexed, rejected or on its way."""
        tenant = desk.door.tenant_of_admin(request.headers)
        return DocumentList(
            documents=list(desk.catalogue.documents(tenant)),
            knowledge_version=desk.catalogue.version(tenant),
        )

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
        desk.catalogue.submit(event)
        return DocumentAccepted(id=document_id, version=event.version)

    return router


async def _document(request: Request) -> DocumentRequest:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip()
    body = await request.body()
    try:
        if kind == "application/json":
            return DocumentRequest.model_validate_json(body)
        if kind not in _TEXT_TYPES:
            raise Problem(422, "The request is not valid", f"content-type: one of {_TEXT_TYPES}")
        fields = {name: request.query_params.get(name) for name in ("title", "source", "locale")}
        given = {name: value for name, value in fields.items() if value}
        return DocumentRequest.model_validate(
            {"content": body.decode(), "media_type": kind, **given}
        )
    except UnicodeDecodeError:
        raise Problem(422, "The request is not valid", "content: must be UTF-8 text") from None
    except ValidationError as error:
        named = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg']}" for item in error.errors()
        )
        raise Problem(422, "The request is not valid", named) from None


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
