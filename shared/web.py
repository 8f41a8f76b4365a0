"""HTTP that every process speaks: health, readiness, metrics, and errors as RFC 9457 problems."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from shared.keys import KeyRing

log = logging.getLogger(__name__)


class Problem(Exception):
    """An error that a caller may see. Source: RFC 9457, Problem Details for HTTP APIs."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.body = {"type": "about:blank", "title": title, "status": status, **more}
        if detail:
            self.body["detail"] = detail
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The problem as a response."""
        return JSONResponse(
            self.body, self.status, self.headers, media_type="application/problem+json"
        )


def admin_tenant(keys: KeyRing, key: str) -> str:
    """The tenant whose admin key that is. Raises Problem 401."""
    tenant_id = keys.tenant_of_admin(key)
    if tenant_id is None:
        raise Problem(401, "An admin key is needed", "Send it as X-Switchboard-Key.")
    return tenant_id


def install_problems(app: FastAPI) -> None:
    """Make every error of `app` a problem document; none shows an internal message."""

    @app.exception_handler(Problem)
    async def on_problem(_request: Request, error: Problem) -> Response:
        return error.response()

    @app.exception_handler(HTTPException)
    async def on_http(_request: Request, error: HTTPException) -> Response:
        return Problem(error.status_code, str(error.detail), headers=error.headers).response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_request: Request, error: RequestValidationError) -> Response:
        errors = [_named(item) for item in error.errors()]
        named = "; ".join(f"{item['field']}: {item['message']}" for item in errors)
        return Problem(422, "The request is not valid", named, errors=errors).response()

    @app.exception_handler(Exception)
    async def on_bug(_request: Request, error: Exception) -> Response:
        log.error("unhandled error in a request", exc_info=error)
        return Problem(500, "Something went wrong on our side").response()


def _named(item: Mapping[str, Any]) -> dict[str, str]:
    """Which field is wrong and why, of one error of pydantic's."""
    if item["type"] == "json_invalid":
        place, reason = item["loc"][-1], item.get("ctx", {}).get("error", "")
        return {"field": "body", "message": f"not valid JSON at character {place}: {reason}"}
    return {"field": ".".join(map(str, item["loc"][1:])) or "body", "message": item["msg"]}


def install_health(
    app: FastAPI, ready: Callable[[], bool], details: Callable[[], Mapping[str, Any]]
) -> None:
    """Add /healthz (alive), /readyz (takes work; 503 while not) and /metrics."""

    @app.get("/healthz", include_in_schema=False)
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> Response:
        is_ready = ready()
        body = {"ready": is_ready, **details()}
        return JSONResponse(body, 200 if is_ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
