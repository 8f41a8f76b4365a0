"""The operators' switch: look at the mode, hold the system in one, let go."""

from typing import Annotated, Any

from fastapi import FastAPI, Header
from pydantic import BaseModel, Field

from services.degradation.core import LADDER
from services.degradation.handlers import Deps
from shared.keys import KeyRing
from shared.web import Problem


class ModeRequest(BaseModel):
    """`mode` from the ladder; empty lets health decide again."""

    mode: str = Field(examples=["escalate_all", ""])


def build_api(deps: Deps, keys: KeyRing) -> FastAPI:
    """`GET` and `PUT /v1/mode`, for holders of an admin key."""
    app = FastAPI(title="Switchboard degradation", docs_url=None, redoc_url=None)

    def require_admin(key: str) -> None:
        if keys.tenant_of_admin(key) is None:
            raise Problem(401, "An admin key is needed", "Send it as X-Switchboard-Key.")

    def describe() -> dict[str, Any]:
        return {
            "mode": deps.policy.current.mode,
            "forced": deps.watch.forced_mode,
            "troubles": sorted(deps.watch.state.active),
            "policy": deps.policy.current.model_dump(mode="json"),
            "ladder": LADDER,
        }

    @app.get("/v1/mode")
    async def read_mode(x_switchboard_key: Annotated[str, Header()] = "") -> dict[str, Any]:
        require_admin(x_switchboard_key)
        return describe()

    @app.put("/v1/mode")
    async def hold_mode(
        request: ModeRequest, x_switchboard_key: Annotated[str, Header()] = ""
    ) -> dict[str, Any]:
        require_admin(x_switchboard_key)
        if request.mode and request.mode not in LADDER:
            known = ", ".join(LADDER)
            raise Problem(422, "Unknown mode", f"{request.mode!r} is none of: {known}.")
        deps.watch.forced_mode = "" if request.mode == "full" else request.mode
        return describe()

    return app
