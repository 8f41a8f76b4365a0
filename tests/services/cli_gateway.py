"""A small gateway that listens, and how tests run commands against it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from typer.testing import CliRunner

from services.cli import app
from services.gateway.schemas_documents import IngestionOut
from shared.documents import version_of
from shared.ingestions import Step

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
    contents: dict[str, str] = field(default_factory=dict)
    steps: dict[str, dict[str, Step]] = field(default_factory=dict)
    coverage: dict[str, Any] = field(default_factory=dict)
    puts: int = 0
    busy: int = 0  # how many PUTs to turn away first

    def put(self, document_id: str, content: bytes, **facts: str) -> tuple[int, dict[str, Any]]:
        """Index at once; an empty document is refused later, a huge one at the door."""
        self.puts += 1
        if self.busy:
            self.busy -= 1
            return 503, {"title": "Cut off for a moment", "status": 503}
        if len(content) > 1000:
            return 413, {"title": "The document is too large", "detail": "At most 1000 bytes."}
        version = version_of(content, source=facts.get("source", ""))
        state, reason = ("indexed", "") if content.strip() else ("rejected", "empty")
        row = {
            "id": document_id,
            "version": version,
            "title": f"About {document_id}",
            "chunks": 1,
            "state": state,
            "reason": reason,
            "collection": facts.get("collection", ""),
        }
        self.documents[document_id] = row
        self.contents[document_id] = content.decode(errors="replace")
        step = Step("indexed" if state == "indexed" else "rejected", facts.get("name", ""), reason)
        self.steps.setdefault(facts.get("ingestion_id", ""), {})[document_id] = step
        return 202, {"id": document_id, "version": version}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """The catalogue, one document, an import, the coverage report."""
        kind, _, name = path.removeprefix("/v1/").partition("/")
        if kind == "documents" and not name:
            return 200, {"documents": list(self.documents.values())}
        if kind == "documents" and name in self.documents:
            row = self.documents[name]
            return 200, {
                **row,
                "content": self.contents[name],
                "updated_unix_ms": 1_795_507_200_000,
            }
        if kind == "ingestions" and name in self.steps:
            return 200, IngestionOut.of(name, self.steps[name]).model_dump()
        if kind == "coverage":
            return 200, self.coverage
        return 404, {"title": "No such thing"}


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
                self.answer(*gateway.get(urlsplit(self.path).path))

        def do_PUT(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if self.known():
                parts = urlsplit(self.path)
                facts = dict(parse_qsl(parts.query))
                self.answer(*gateway.put(parts.path.rpartition("/")[2], content, **facts))

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
