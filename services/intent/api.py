"""The operators' door: messages that wait for a label, and the latest look at drift. Admin key."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from pydantic import BaseModel, Field

from services.intent.adapters import Unsure
from services.intent.confidences import Look
from services.intent.labels import Label
from shared.errors import Unavailable
from shared.events import Route
from shared.keys import KeyRing
from shared.web import Problem, admin_tenant

LABELS_AT_ONCE = 500


class UnsureMessages(Protocol):
    """What is kept for labelling. Raises Unavailable."""

    async def read(self, tenant_id: str) -> Sequence[Unsure]: ...
    async def clear(self, tenant_id: str) -> None: ...


class Looks(Protocol):
    """The weekly looks. Raises Unavailable."""

    async def latest(self) -> Look | None: ...


class Labels(Protocol):
    """What people have labelled. Raises Unavailable."""

    async def add(self, tenant_id: str, labels: Sequence[Label]) -> None: ...


class LabelIn(BaseModel):
    """A message and its right route."""

    text: str = Field(min_length=1, max_length=4000)
    route: Route
    intent: str = Field("", max_length=128)


class LabelsIn(BaseModel):
    """Some labels; more are sent in several requests."""

    labels: list[LabelIn] = Field(min_length=1, max_length=LABELS_AT_ONCE)


@dataclass(frozen=True)
class ApiDeps:
    """What the operations need."""

    unsure: UnsureMessages
    labels: Labels
    looks: Looks
    keys: KeyRing


def _deps(request: Request) -> ApiDeps:
    deps: ApiDeps = request.app.state.deps
    return deps


Wired = Annotated[ApiDeps, Depends(_deps)]


def _tenant(deps: Wired, x_switchboard_key: Annotated[str, Header()] = "") -> str:
    return admin_tenant(deps.keys, x_switchboard_key)


Tenant = Annotated[str, Depends(_tenant)]

router = APIRouter(prefix="/v1/intents")


def build_api(deps: ApiDeps) -> FastAPI:
    """The API of one intent process; all that share a store say the same."""
    api = FastAPI(title="Switchboard intent", docs_url=None, redoc_url=None)
    api.state.deps = deps

    @api.exception_handler(Unavailable)
    async def on_away(_request: Request, _error: Exception) -> Response:
        return Problem(503, "The store is away", "", {"Retry-After": "2"}).response()

    api.include_router(router)
    return api


@router.get("/unsure")
async def unsure(tenant_id: Tenant, deps: Wired) -> dict[str, Any]:
    """Screened messages that the model was not sure of, oldest first."""
    return {"messages": [asdict(message) for message in await deps.unsure.read(tenant_id)]}


@router.delete("/unsure", status_code=204)
async def clear(tenant_id: Tenant, deps: Wired) -> None:
    """Forget them: they have been labelled."""
    await deps.unsure.clear(tenant_id)


@router.post("/labels")
async def add_labels(tenant_id: Tenant, deps: Wired, given: LabelsIn) -> dict[str, int]:
    """Messages that people have labelled: the weekly look measures the model on them."""
    labels = [Label(each.text, each.route, each.intent) for each in given.labels]
    await deps.labels.add(tenant_id, labels)
    return {"taken": len(labels)}


@router.get("/drift")
async def latest(tenant_id: Tenant, deps: Wired) -> dict[str, Any]:
    """What the latest weekly look found; nulls before the first one."""
    found = await deps.looks.latest()
    return {
        "week": found.week if found else None,
        "index": found.index.get(tenant_id) if found else None,
        "accuracy": found.accuracy if found else None,
        "labelled": found.labelled if found else 0,
    }
