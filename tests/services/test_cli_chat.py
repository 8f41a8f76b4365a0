"""The chat in the terminal: articles first, a folder of its own."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from pydantic import SecretStr

from services.cli_chat import Chat, Reading, chat_settings, only_one, read_articles
from shared.errors import ConfigurationError, Unavailable
from shared.settings import Settings
from tests.services.cli_gateway import KEY


def small_gateway(documents: dict[str, str]) -> FastAPI:
    """A gateway for the in-process client: takes documents, answers with its body."""
    api = FastAPI()

    @api.put("/v1/documents/{name}", status_code=202)
    async def put(name: str, request: Request) -> dict[str, str]:
        content = (await request.json())["content"]
        documents[name] = "indexed" if content.strip() else "rejected"
        return {"id": name}

    @api.get("/v1/documents")
    async def listing() -> dict[str, Any]:
        return {"documents": [{"id": n, "state": s} for n, s in documents.items()]}

    @api.post("/v1/chat")
    async def chat(request: Request) -> Response:
        body = await request.json()
        if body["message"] == "too much":
            return JSONResponse({"title": "Too many messages"}, 429, {"Retry-After": "9"})
        return JSONResponse({"answer": json.dumps(body), "conversation_id": "c-9"})

    return api


async def test_chat_reads_articles_before_it_answers() -> None:
    documents: dict[str, str] = {}
    transport = httpx.ASGITransport(small_gateway(documents))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as gateway:
        wanted = {"a": {"content": "A"}, "b": {"content": " "}}
        reading = Reading(len(wanted))
        chat = Chat(gateway, KEY, reading)
        asking = asyncio.create_task(chat.ask("How long?"))
        await asyncio.sleep(0.01)
        assert not asking.done()
        await read_articles(gateway, KEY, wanted, reading)
        first = json.loads((await asking)["answer"])
        assert first == {"message": "How long?", "user_id": "terminal"}
        assert (reading.done, reading.trouble) == (2, "refused: b")
        assert json.loads((await chat.ask("And?"))["answer"])["conversation_id"] == "c-9"
        with pytest.raises(Unavailable, match=r"Too many messages \(HTTP 429\) Try again in 9 s\."):
            await chat.ask("too much")


async def test_chat_answers_even_if_articles_cannot_be_read() -> None:
    transport = httpx.ASGITransport(FastAPI())
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as gateway:
        reading = Reading(1)
        await read_articles(gateway, KEY, {"a": {"content": "A"}}, reading)
    assert reading.finished.is_set() and "HTTP 404" in reading.trouble


def test_chat_has_a_folder_keys_and_a_secret_of_its_own(tmp_path: Path) -> None:
    base = Settings(var_dir=tmp_path, bus_url="kafka://elsewhere:9092")
    settings = chat_settings(base)
    again = chat_settings(base)
    assert settings.bus_url == "memory:" and settings.base_port == 0
    assert settings.secret_key == again.secret_key != SecretStr("development-only")
    assert settings.vectors_url == f"edge:{tmp_path / 'chat' / 'vectors-support'}"
    assert (tmp_path / "chat" / "keys.json").stat().st_mode & 0o777 == 0o600


def test_two_chats_do_not_share_a_folder(tmp_path: Path) -> None:
    with only_one(tmp_path):
        second = only_one(tmp_path)
        with pytest.raises(ConfigurationError, match="another chat"):
            second.__enter__()
    with only_one(tmp_path):
        pass
