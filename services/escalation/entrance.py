"""Who gets into the dashboard: log-in, log-out, and the session every other call needs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.escalation.board import ChangeBoard
from services.escalation.core import Case, Said
from services.escalation.desk import Agent, Verdict
from services.escalation.outbox import Sender
from services.escalation.sessions import COOKIE, LoginLimit, Session, Sessions
from services.escalation.settings import EscalationSettings
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.keys import KeyRing
from shared.tokens import matches
from shared.vault import Vault
from shared.web import Problem


class Desk(Protocol):
    """Where agents find and change cases."""

    async def listed(self, agent: Agent, view: str, limit: int) -> list[Case]: ...
    async def counted(self, agent: Agent) -> dict[str, int]: ...
    async def get(self, agent: Agent, case_id: str) -> tuple[Case, list[Said]] | None: ...
    async def act(
        self, agent: Agent, case_id: str, now_ms: int, decide: Callable[[Case], Verdict]
    ) -> Verdict: ...


class Bell(Protocol):
    """Rung when there is something to send."""

    def ring(self) -> None: ...


@dataclass(frozen=True)
class ApiDeps:
    """What the dashboard needs."""

    desk: Desk
    outbox: Bell
    board: ChangeBoard
    keys: KeyRing
    sessions: Sessions
    limit: LoginLimit
    policy: PolicyBoard
    clock: Clock
    sender: Sender
    vault: Vault
    settings: EscalationSettings


def _deps(request: Request) -> ApiDeps:
    deps: ApiDeps = request.app.state.deps
    return deps


Wired = Annotated[ApiDeps, Depends(_deps)]


def _logged_in(request: Request, deps: Wired) -> Session:
    found = deps.sessions.read(request.cookies.get(COOKIE, ""))
    if found is None:
        raise Problem(401, "Please log in")
    return found


Reading = Annotated[Session, Depends(_logged_in)]


def _may_change(
    deps: Wired, session: Reading, x_csrf_token: Annotated[str, Header()] = ""
) -> Session:
    if not matches(deps.sessions.csrf(session), x_csrf_token):
        raise Problem(403, "This page is too old; reload it")
    return session


Changing = Annotated[Session, Depends(_may_change)]


class Body(BaseModel):
    """A request's body: nothing unknown, no blanks around."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class Login(Body):
    """E-mail and password of an agent."""

    email: str = Field(min_length=3, max_length=200)
    password: str = Field(min_length=1, max_length=500)


router = APIRouter(prefix="/api")


@router.post("/login")
async def login(body: Login, request: Request, response: Response, deps: Wired) -> dict[str, Any]:
    """Log in; sets the session cookie. 429 after too many attempts."""
    address = request.client.host if request.client else ""
    if not await deps.limit.admits(body.email, address):
        wait = {"Retry-After": str(deps.settings.login_pause_s)}
        raise Problem(429, "Too many attempts", "Please wait, then try again.", wait)
    found = deps.keys.agent(body.email, body.password)
    if found is None:
        raise Problem(401, "E-mail and password do not match")
    await deps.limit.clear(body.email, address)
    cookie, session = deps.sessions.open(found)
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=deps.settings.session_ttl_s,
        httponly=True,
        samesite="strict",
        secure=deps.settings.secure_cookie,
    )
    return await who(session, deps)


@router.post("/logout", status_code=204)
async def logout(response: Response, session: Changing) -> None:
    """Forget the session in this browser."""
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")


@router.get("/me")
async def who(session: Reading, deps: Wired) -> dict[str, Any]:
    """Who is logged in, and the token that changes need in X-CSRF-Token."""
    return {
        "email": session.agent.email,
        "name": session.agent.name,
        "csrf": deps.sessions.csrf(session),
        "expires_unix_ms": session.expires_unix_s * 1000,
    }
