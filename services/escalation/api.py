"""The dashboard's API. Every call is an agent's, and sees that agent's tenant only."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Query, Request, Response
from pydantic import Field

from services.escalation import desk, entrance
from services.escalation.core import Case, brief
from services.escalation.desk import Refusal, Verdict
from services.escalation.entrance import ApiDeps, Body, Changing, Reading, Wired
from services.escalation.pages import install_pages
from services.escalation.sessions import Session
from services.escalation.stream import router as stream_router
from shared.errors import Overloaded, Unavailable
from shared.events import PresenceNoticed
from shared.web import Problem

TYPING_TIMEOUT_S = 1.0
_NOT_SHOWN = {"reply_to", "tenant_id", "owner_changed_unix_ms"}

router = APIRouter(prefix="/api")


class Take(Body):
    """`force` takes the case from the colleague who has it."""

    force: bool = False


class Reply(Body):
    """The same `message_id` again is the same message: a retry never says it twice."""

    text: str = Field(min_length=1)
    message_id: str = Field(pattern=r"^[A-Za-z0-9-]{8,64}$")


class WrongAnswer(Body):
    """The bot's message in the transcript."""

    message_id: str = Field(min_length=1, max_length=200)


class Reveal(Body):
    """A placeholder in a message of the transcript."""

    message_id: str = Field(min_length=1, max_length=200)
    placeholder: str = Field(pattern=r"^<[A-Z]{1,20}_[0-9]{1,3}>$")


def build_api(deps: ApiDeps) -> FastAPI:
    """Pages and API of the dashboard."""
    api = FastAPI(title="Switchboard agent dashboard", version="1")
    api.state.deps = deps

    @api.exception_handler(Unavailable)
    async def on_unavailable(_request: Request, _error: Unavailable) -> Response:
        detail = "Nothing was changed. Please try again in a moment."
        return Problem(503, "The case store is away", detail, {"Retry-After": "2"}).response()

    install_pages(api)
    api.include_router(entrance.router)
    api.include_router(router)
    api.include_router(stream_router)
    return api


@router.get("/cases")
async def listed(
    session: Reading,
    deps: Wired,
    state: Literal["waiting", "mine", "active", "closed"] = "waiting",
    limit: Annotated[int, Query(ge=1)] = 100,
) -> dict[str, Any]:
    """Cases in the order to work on them, and how many there are of each kind."""
    bounded = min(limit, deps.settings.page_limit)
    return {
        "cases": [brief(case) for case in await deps.desk.listed(session.agent, state, bounded)],
        "counts": await deps.desk.counted(session.agent),
        "mode": deps.policy.current.mode,
        "now_unix_ms": deps.clock.unix_ms(),
    }


@router.get("/cases/{case_id}")
async def read(case_id: str, session: Reading, deps: Wired) -> dict[str, Any]:
    """One case with its transcript."""
    found = await deps.desk.get(session.agent, case_id)
    if found is None:
        raise _problem(Refusal("missing"))
    case, said = found
    shown = {name: value for name, value in asdict(case).items() if name not in _NOT_SHOWN}
    return {**shown, **brief(case), "messages": [asdict(item) for item in said]}


@router.post("/cases/{case_id}/take")
async def take(case_id: str, body: Take, session: Changing, deps: Wired) -> dict[str, Any]:
    """Speak in this conversation from now on. 409 names the colleague who has it."""
    agent, now_ms = session.agent, deps.clock.unix_ms()
    return await _act(
        deps, session, case_id, lambda case: desk.take(case, agent, now_ms, force=body.force)
    )


@router.post("/cases/{case_id}/reply")
async def reply(case_id: str, body: Reply, session: Changing, deps: Wired) -> dict[str, Any]:
    """Say something to the customer."""
    agent, now_ms, longest = session.agent, deps.clock.unix_ms(), deps.settings.reply_max_chars
    if len(body.text) > longest:
        raise Problem(422, "The reply is too long", f"At most {longest} characters.")
    return await _act(
        deps,
        session,
        case_id,
        lambda case: desk.reply(case, agent, body.text, body.message_id, now_ms),
    )


@router.post("/cases/{case_id}/typing", status_code=204)
async def typing(case_id: str, session: Changing, deps: Wired) -> None:
    """The customer sees that somebody is writing, if the broker is there to say so."""
    case = await _decide(deps, session, case_id, lambda case: desk.types(case, session.agent))
    notice = PresenceNoticed(
        tenant_id=case.tenant_id,
        conversation_id=case.conversation_id,
        side="agent",
        state="typing",
        agent_name=session.agent.name,
        at_unix_ms=deps.clock.unix_ms(),
    )
    with suppress(Unavailable, Overloaded):
        await deps.sender.publish(notice, timeout_s=TYPING_TIMEOUT_S)


@router.post("/cases/{case_id}/hand-back")
async def hand_back(case_id: str, session: Changing, deps: Wired) -> dict[str, Any]:
    """Let the bot speak again."""
    agent, now_ms = session.agent, deps.clock.unix_ms()
    return await _act(deps, session, case_id, lambda case: desk.hand_back(case, agent, now_ms))


@router.post("/cases/{case_id}/close")
async def close(case_id: str, session: Changing, deps: Wired) -> dict[str, Any]:
    """The matter is settled."""
    agent, now_ms = session.agent, deps.clock.unix_ms()
    return await _act(deps, session, case_id, lambda case: desk.close(case, agent, now_ms))


@router.post("/cases/{case_id}/wrong-answer")
async def dispute(
    case_id: str, body: WrongAnswer, session: Changing, deps: Wired
) -> dict[str, Any]:
    """An answer of the bot was wrong: the cache forgets it, and is stricter with what is near."""
    agent, now_ms = session.agent, deps.clock.unix_ms()
    found = await deps.desk.get(agent, case_id)
    said = found[1] if found else ()
    return await _act(
        deps,
        session,
        case_id,
        lambda case: desk.dispute(case, agent, said, body.message_id, now_ms),
    )


@router.post("/cases/{case_id}/reveal")
async def reveal(
    case_id: str, body: Reveal, session: Changing, deps: Wired, response: Response
) -> dict[str, Any]:
    """What one placeholder stands for. Written to the audit log before it is shown."""
    response.headers["Cache-Control"] = "no-store"
    found = await deps.desk.get(session.agent, case_id)
    said = found[1] if found else ()
    case = await _decide(
        deps,
        session,
        case_id,
        lambda case: desk.reveal(case, session.agent, said, body.message_id, body.placeholder),
    )
    turn_id = desk.turn_of(body.message_id)
    originals = await deps.vault.reveal(
        case.tenant_id, case.conversation_id, turn_id, body.placeholder
    )
    if not originals:
        raise Problem(404, "It is no longer kept", "Ask the customer for it again.")
    return {"originals": list(originals)}


async def _act(
    deps: ApiDeps, session: Session, case_id: str, decide: Callable[[Case], Verdict]
) -> dict[str, Any]:
    case = await _decide(deps, session, case_id, decide)
    deps.outbox.ring()
    deps.board.announce(session.agent.tenant_id)
    return brief(case)


async def _decide(
    deps: ApiDeps, session: Session, case_id: str, decide: Callable[[Case], Verdict]
) -> Case:
    verdict = await deps.desk.act(session.agent, case_id, deps.clock.unix_ms(), decide)
    if isinstance(verdict, Refusal):
        raise _problem(verdict)
    return verdict.case


def _problem(refusal: Refusal) -> Problem:
    if refusal.kind == "missing":
        return Problem(404, "No such case")
    if refusal.kind == "no_answer":
        return Problem(404, "No such answer of the bot in this conversation")
    if refusal.kind == "no_placeholder":
        return Problem(404, "No such placeholder in that message")
    if refusal.kind == "closed":
        return Problem(409, "This case is closed", reason="closed")
    if refusal.kind == "not_owner" and not refusal.owner_name:
        return Problem(409, "Take the conversation over first", reason="not_taken")
    who = refusal.owner_name or refusal.owner
    return Problem(
        409, f"{who} has this conversation", reason="owned", owner=refusal.owner, owner_name=who
    )
