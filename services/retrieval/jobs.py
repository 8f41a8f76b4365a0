"""Celery tasks: prepare one document, keep a folder in step. They end in events, too."""

import asyncio
import hashlib
import logging
from functools import cache
from pathlib import Path

from services.jobs import app
from services.retrieval.documents import prepare
from services.retrieval.settings import RetrievalSettings
from shared.boards import PolicyBoard
from shared.bus import open_bus
from shared.clock import SystemClock
from shared.embeddings import Embedder, open_embedder
from shared.events import DocumentSubmitted, Event
from shared.publisher import Publisher
from shared.settings import Settings, load

log = logging.getLogger(__name__)

MEDIA_TYPE_OF = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
}


class _Worker:
    """What a worker process keeps between tasks: one event loop, one bus, one model."""

    def __init__(self) -> None:
        self.settings = load(Settings)
        self.retrieval = load(RetrievalSettings)
        self.embedder: Embedder = open_embedder(self.settings.embedder_url)
        self._runner = asyncio.Runner()
        self._publisher = self._runner.run(self._open())

    async def _open(self) -> Publisher:
        bus = open_bus(self.settings.bus_url, client_id="celery")
        return Publisher(bus, PolicyBoard(), "retrieval")

    def publish(self, *events: Event) -> None:
        self._runner.run(self._publish(events))

    async def _publish(self, events: tuple[Event, ...]) -> None:
        await self._publisher.publish(*events, timeout_s=30.0)


@cache
def _worker() -> _Worker:
    return _Worker()


@app.task(  # type: ignore[untyped-decorator]  # celery has no types
    name="retrieval.prepare_document", autoretry_for=(Exception,), retry_backoff=2, max_retries=8
)
def prepare_document(submitted: str) -> None:
    """Prepare one document; `submitted` is a DocumentSubmitted as JSON."""
    event = DocumentSubmitted.model_validate_json(submitted)
    worker = _worker()
    prepared = prepare(event, worker.embedder, worker.retrieval.chunk_tokens)
    worker.publish(prepared)
    log.info("prepared %s: %d chunks", event.document_id, len(prepared.chunks))


@app.task(name="retrieval.sync_folder")  # type: ignore[untyped-decorator]
def sync_folder() -> None:
    """Submit every document of RETRIEVAL_SYNC_DIR; unchanged ones cost nothing further on."""
    worker = _worker()
    if worker.retrieval.sync_dir is None:
        return
    now_ms = SystemClock().unix_ms()
    for path in sorted(worker.retrieval.sync_dir.rglob("*")):
        if path.suffix.lower() in MEDIA_TYPE_OF and path.is_file():
            worker.publish(submission_of(path, worker.settings.default_tenant, now_ms))


def submission_of(path: Path, tenant_id: str, now_unix_ms: int) -> DocumentSubmitted:
    """A file as a submission; its name is the document's id. Raises OSError, UnicodeDecodeError."""
    content = path.read_text(encoding="utf-8")
    return DocumentSubmitted(
        tenant_id=tenant_id,
        document_id=path.stem,
        version=version_of(content),
        content=content,
        media_type=MEDIA_TYPE_OF[path.suffix.lower()],
        submitted_unix_ms=now_unix_ms,
    )


def version_of(content: str) -> str:
    """16 hex digits that change with the content."""
    return hashlib.sha256(content.encode()).hexdigest()[:16]
