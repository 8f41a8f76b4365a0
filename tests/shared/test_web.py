"""Errors a caller can act on."""

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from shared.web import install_problems


class Order(BaseModel):
    """A body."""

    cups: int


def _app() -> FastAPI:
    app = FastAPI()
    install_problems(app)

    @app.post("/orders")
    async def order(body: Order) -> int:
        if body.cups < 0:
            raise ZeroDivisionError("an internal message")
        return body.cups

    return app


async def _post(content: str) -> httpx.Response:
    transport = httpx.ASGITransport(_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"content-type": "application/json"}
        return await client.post("/orders", content=content, headers=headers)


async def test_a_body_that_is_no_json_is_named_with_the_place_where_it_breaks() -> None:
    answer = await _post('{"cups": }')
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("body: not valid JSON at character 9")


async def test_a_wrong_field_is_named() -> None:
    answer = await _post('{"cups": "many"}')
    (error,) = answer.json()["errors"]
    assert error["field"] == "cups"
    assert error["message"].startswith("Input should be a valid integer")


async def test_a_bug_shows_no_internal_message() -> None:
    answer = await _post('{"cups": -1}')
    assert answer.status_code == 500
    assert "internal" not in answer.text
