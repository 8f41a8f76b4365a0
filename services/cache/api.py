"""The operators' door: look at what is remembered, make it forget, warm it up. Admin key only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import BaseModel, Field

from services.cache.adapters import AnswerStore
from shared import metrics
from shared.clock import Clock
from shared.errors import Overloaded, Unavailable
from shared.events import AnswerDisputed, Event, WarmUpRequested
from shared.fingerprint import fingerprint
from shared.keys import KeyRing
from shared.web import Problem, admin_tenant


class Sender(Protocol):
    """Gets events to the broker, or raises Unavailable or Overloaded."""

    async def publish(self, *events: Event, timeout_s: float = 5.0) -> Sequence[Event]: ...


@dataclass(frozen=True)
class ApiDeps:
    """What the operations need."""

    store: AnswerStore
    keys: KeyRing
    sender: Sender
    clock: Clock


class Dispute(BaseModel):
    """The turn whose answer from the cache did not fit its question."""

    conversation_id: str = Field(min_length=1, max_length=64)
    turn_id: str = Field(min_length=1, max_length=64)


def _deps(request: Request) -> ApiDeps:
    deps: ApiDeps = request.app.state.deps
    return deps


Wired = Annotated[ApiDeps, Depends(_deps)]


def _tenant(deps: Wired, x_switchboard_key: Annotated[str, Header()] = "") -> str:
    return admin_tenant(deps.keys, x_switchboard_key)


Tenant = Annotated[str, Depends(_tenant)]

router = APIRouter(prefix="/v1/cache")


def build_api(deps: ApiDeps) -> FastAPI:
    """The API of one cache process; all processes that share a store say the same."""
    api = FastAPI(title="Switchboard cache", docs_url=None, redoc_url=None)
    api.state.deps = deps

    @api.exception_handler(Unavailable)
    @api.exception_handler(Overloaded)
    async def on_away(_request: Request, _error: Exception) -> Response:
        return Problem(503, "Store or broker is away", "", {"Retry-After": "2"}).response()

    api.include_router(router)
    return api


@router.get("")
async def show(
    tenant_id: Tenant, deps: Wired, limit: Annotated[int, Query(ge=1, le=1000)] = 50
) -> dict[str, Any]:
    """The most valuable entries, and how many there are."""
    now_ms = deps.clock.unix_ms()
    rows = [
        {
            "question": kept.entry.question,
            "fingerprint": kept.entry.fingerprint,
            "answer": kept.entry.text,
            "locale": kept.scope.locale,
            "hits": kept.hits,
            "fresh_for_s": max(0, round((kept.entry.fresh_until_unix_ms - now_ms) / 1000)),
            "min_similarity": kept.entry.min_similarity,
            "min_probability": kept.entry.min_probability,
            "documents": sorted({c.document_id for c in kept.entry.citations}),
        }
        for kept in await deps.store.kept(tenant_id, limit)
    ]
    return {"entries": rows, "count": await deps.store.size(tenant_id)}


@router.delete("")
async def forget(
    tenant_id: Tenant,
    deps: Wired,
    question: Annotated[str, Query(max_length=4000)] = "",
    document: Annotated[str, Query(max_length=128)] = "",
    everything: bool = False,
) -> dict[str, int]:
    """Forget the answers to a question, or all that cite a document, or everything."""
    if bool(question) + bool(document) + everything != 1:
        raise Problem(422, "The request is not valid", "give one: question, document, everything")
    if document:
        dropped = await deps.store.forget_document(tenant_id, document, "")
    else:
        wanted = fingerprint(question) if question else None
        found = await deps.store.entries(tenant_id, wanted)
        dropped = sum([await deps.store.forget(scope, name) for scope, name in found])
    metrics.CACHE_EVICTED.labels(tenant_id, "hand").inc(dropped)
    return {"forgotten": dropped}


@router.post("/warm-up", status_code=202)
async def warm_up(tenant_id: Tenant, deps: Wired) -> dict[str, str]:
    """Answer the most asked questions ahead."""
    now_ms = deps.clock.unix_ms()
    await deps.sender.publish(WarmUpRequested(tenant_id=tenant_id, requested_unix_ms=now_ms))
    return {"status": "accepted"}


@router.post("/disputes", status_code=202)
async def dispute(tenant_id: Tenant, deps: Wired, body: Dispute) -> dict[str, str]:
    """Say that a cached answer was wrong: it is forgotten, and what is near it judged harder."""
    await deps.sender.publish(
        AnswerDisputed(
            tenant_id=tenant_id,
            conversation_id=body.conversation_id,
            turn_id=body.turn_id,
            disputed_by="admin",
            disputed_unix_ms=deps.clock.unix_ms(),
        )
    )
    return {"status": "accepted"}
