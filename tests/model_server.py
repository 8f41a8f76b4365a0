"""A server that speaks the OpenAI protocol over a real socket and says what a test needs."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from infra.local.broker import free_port


@dataclass
class Script:
    """What the server does with the next request."""

    pieces: tuple[str, ...] = ("Hello",)
    status: int = 200
    pause_s: float = 0.0  # before each piece
    cut_after: int | None = None  # pieces, then the connection breaks


@dataclass
class ModelServer:
    """A running server; `script` may be exchanged at any time."""

    url: str
    script: Script = field(default_factory=Script)
    requests: list[dict[str, Any]] = field(default_factory=list)
    abandoned: int = 0  # answers that nobody read to the end

    async def answer(self, request: Request) -> Response:
        """POST /v1/chat/completions"""
        self.requests.append(await request.json())
        script = self.script
        if script.status != 200:
            return JSONResponse({"error": {"message": "no"}}, script.status)
        return StreamingResponse(self._events(script), media_type="text/event-stream")

    async def _events(self, script: Script) -> AsyncIterator[str]:
        finished = False
        try:
            for number, piece in enumerate(script.pieces):
                await asyncio.sleep(script.pause_s)
                if number == script.cut_after:
                    raise ConnectionError("cut, as the test asked")
                yield _event({"choices": [{"index": 0, "delta": {"content": piece}}]})
            usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
            yield _event({"choices": [], "usage": usage})
            yield "data: [DONE]\n\n"
            finished = True
        finally:
            self.abandoned += not finished


def _event(fields: dict[str, Any]) -> str:
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    return f"data: {json.dumps(chunk | fields)}\n\n"


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server on a free port, in a thread of its own."""
    port = free_port()
    state = ModelServer(f"http://127.0.0.1:{port}/v1")
    app = FastAPI()
    app.add_api_route("/v1/chat/completions", state.answer, methods=["POST"], response_model=None)
    app.add_api_route("/v1/models", lambda: {"object": "list", "data": []})
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.01)
    try:
        yield state
    finally:
        server.should_exit = True
        thread.join(10)
