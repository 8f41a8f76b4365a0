"""What open dashboards are told while nobody clicks: server-sent events."""

from collections.abc import AsyncIterator

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from services.escalation.board import Notice
from services.escalation.entrance import ApiDeps, Reading, Wired
from services.escalation.sessions import Session

PING_S = 15.0

router = APIRouter(prefix="/api")


@router.get("/events")
async def events(session: Reading, deps: Wired) -> Response:
    """Server-sent `changed` when a case of the tenant changed, `presence` when a customer types."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(changes(session, deps), 200, headers, "text/event-stream")


async def changes(session: Session, deps: ApiDeps) -> AsyncIterator[str]:
    """The lines of that stream, until the session or the process ends."""
    tenant_id = session.agent.tenant_id
    number = deps.board.newest(tenant_id)
    yield "retry: 2000\n\n"
    while deps.clock.unix_ms() < session.expires_unix_s * 1000:
        notices = await deps.board.after(tenant_id, number, PING_S)
        if deps.board.closed:
            return
        for line in dict.fromkeys(map(_line, notices)) or [": ping\n\n"]:
            yield line
        number = notices[-1].number if notices else number


def _line(notice: Notice) -> str:
    shown = {"conversation_id", "state", "at_unix_ms"}
    data = notice.presence.model_dump_json(include=shown) if notice.presence else "{}"
    return f"event: {notice.kind}\ndata: {data}\n\n"
