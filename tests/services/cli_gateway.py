"""A small gateway that listens, and how tests run commands against it."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typer.testing import CliRunner

from services.cli import app

KEY = "the-key"
ANSWER = {
    "conversation_id": "c-1",
    "turn_id": "t-1",
    "answer": "Within 30 days. Unused.",
    "citations": [{"title": "Return an item", "source": "https://morrow.example/r"}],
    "intent": "returns",
    "origin": "knowledge",
    "tier": "extractive",
    "mode": "full",
    "timings_ms": {"safety": 3.2, "retrieval": 11.0},
    "cache": {"hit": False, "similarity": None},
}
STREAM: list[dict[str, Any]] = [
    {"type": "ack", "turn_id": "t-1"},
    {"type": "delta", "part": 0, "text": "Within 30 days."},
    {"type": "delta", "part": 1, "text": "Unused."},
    {"type": "answer", **ANSWER},
]


@dataclass
class Gateway:
    """A gateway with a catalogue and one answer."""

    url: str = ""
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    frames: list[dict[str, Any]] = field(default_factory=lambda: list(STREAM))
    puts: int = 0
    busy: int = 0  # how many PUTs to turn away first

    def put(self, document_id: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Index at once; an empty document is refused later, a huge one at the door."""
        self.puts += 1
        if self.busy:
            self.busy -= 1
            return 503, {"title": "Cut off for a moment", "status": 503}
        content = body["content"]
        if len(content) > 1000:
            return 413, {"title": "The document is too large", "detail": "At most 1000 bytes."}
        version = hashlib.sha256(content.encode()).hexdigest()[:16]
        state = (
            {"state": "indexed"} if content.strip() else {"state": "rejected", "reason": "empty"}
        )
        row = {"id": document_id, "version": version, "title": body.get("title", ""), "chunks": 1}
        self.documents[document_id] = row | state
        return 202, {"id": document_id, "version": version}


def handler_for(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    """HTTP for the gateway above."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            return

        def answer(self, status: int, body: object, kind: str = "application/json") -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            if status == 503:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(data)

        def known(self) -> bool:
            if self.headers["X-Switchboard-Key"] != KEY:
                self.answer(401, {"title": "An admin key is needed", "status": 401})
                return False
            return True

        def body(self) -> dict[str, Any]:
            found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            return found

        def do_POST(self) -> None:
            body = self.body()
            if self.known():
                gateway.asked.append(body)
                stream = "".join(
                    f": ping\n\nevent: {f['type']}\ndata: {json.dumps(f)}\n\n"
                    for f in gateway.frames
                )
                self.answer(200, stream.encode(), "text/event-stream")

        def do_GET(self) -> None:
            if self.known():
                self.answer(200, {"documents": list(gateway.documents.values())})

        def do_PUT(self) -> None:
            body = self.body()
            if self.known():
                self.answer(*gateway.put(self.path.rpartition("/")[2], body))

        def do_DELETE(self) -> None:
            if self.known():
                gone = gateway.documents.pop(self.path.rpartition("/")[2], None)
                self.answer(202 if gone else 404, gone or {"title": "No such document"})

    return Handler


@contextmanager
def listening() -> Iterator[Gateway]:
    """A gateway that listens."""
    found = Gateway()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_for(found))
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: object, obj: object = None) -> Any:
    """The command's result; stdout and stderr apart."""
    return CliRunner().invoke(app, [str(a) for a in arguments], obj=obj)


def door(gateway: Gateway) -> list[str]:
    """Options that lead to the gateway."""
    return ["--url", gateway.url, "--key", KEY]
