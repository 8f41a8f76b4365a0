"""Celery tasks: prepare one document, keep sources in step. They end in events, too."""

import asyncio
import base64
import logging
import os
from functools import cache

from celery.signals import worker_shutdown

from services.jobs import app
from services.retrieval import sync
from services.retrieval.chunking import recipe_of
from services.retrieval.documents import prepare, rejected
from services.retrieval.ledger import KeyValueLedger
from services.retrieval.reading.sandbox import SandboxReader
from services.retrieval.settings import RetrievalSettings
from services.retrieval.sources.open import Fetching, open_source
from shared.boards import PolicyBoard
from shared.bus import open_bus
from shared.clock import SystemClock
from shared.embeddings import Embedder, open_embedder
from shared.events import DocumentPrepared, DocumentSubmitted, Event
from shared.ingestions import Ingestions
from shared.kv import open_kv
from shared.publisher import Publisher
from shared.settings import Settings, load

log = logging.getLogger(__name__)

PUBLISH_TIMEOUT_S = 30.0
SYNC_AGAIN_S = 5.0  # between two parts of a long sync, so that its documents are queued first


class _Worker:
    """What a worker process keeps between tasks: one event loop, one bus, one model."""

    def __init__(self) -> None:
        self.settings = load(Settings)
        self.retrieval = load(RetrievalSettings)
        os.nice(self.retrieval.job_nice)  # somebody may be waiting for an answer
        url = self.settings.embedder_url
        self.embedder: Embedder = open_embedder(url, threads=self.retrieval.job_threads)
        self.reader = SandboxReader(url, self.retrieval.read_limits)
        self.runner = asyncio.Runner()
        self._publisher, self.sync_deps = self.runner.run(self._open())

    async def _open(self) -> tuple[Publisher, sync.Deps]:
        bus = open_bus(self.settings.bus_url, client_id="celery")
        kv = open_kv(self.settings.kv_url)
        publisher = Publisher(bus, PolicyBoard(), "retrieval")
        deps = sync.Deps(
            tenant_id=self.settings.default_tenant,
            recipe=recipe_of(self.embedder.name),
            max_removed=self.retrieval.sync_max_removed,
            publish=self._send,
            ledger=KeyValueLedger(kv),
            progress=Ingestions(kv),
            clock=SystemClock(),
        )
        return publisher, deps

    async def _send(self, event: Event) -> None:
        await self._publisher.publish(event, timeout_s=PUBLISH_TIMEOUT_S)

    def publish(self, event: Event) -> None:
        self.runner.run(self._send(event))

    def close(self) -> None:
        self.reader.close()
        self.runner.close()


@cache
def _worker() -> _Worker:
    return _Worker()


@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _close_worker(**_signal: object) -> None:
    if _worker.cache_info().currsize:
        _worker().close()


@app.task(  # type: ignore[untyped-decorator]  # celery has no types
    name="retrieval.prepare_document",
    autoretry_for=(Exception,),  # by then only publishing can fail, and it is worth waiting for
    retry_backoff=2,
    retry_backoff_max=60,
    max_retries=None,
)
def prepare_document(submitted: str, known: dict[str, str] | None = None) -> None:
    """Prepare one document; `submitted` is a DocumentSubmitted as JSON.

    `known` are vectors of its indexed version, base64, by the hash of the embedded text.
    """
    event = DocumentSubmitted.model_validate_json(submitted)
    vectors = {name: base64.b64decode(vector) for name, vector in (known or {}).items()}
    prepared = _prepared(event, vectors)
    _worker().publish(prepared)
    log.info("prepared %s: %d chunks", event.document_id, len(prepared.chunks))


def _prepared(event: DocumentSubmitted, known: dict[str, bytes]) -> DocumentPrepared:
    worker = _worker()
    try:
        return prepare(event, worker.reader, worker.embedder, worker.retrieval.chunk_tokens, known)
    except Exception as error:  # the boundary: whoever submitted it must hear, whatever it was
        log.exception("a document could not be prepared: %s", event.document_id)
        return rejected(
            event, f"preparing it failed ({type(error).__name__}); see the worker's log"
        )


@app.task(name="retrieval.sync_sources")  # type: ignore[untyped-decorator]
def sync_sources() -> None:
    """Begin to bring every configured source in step: RETRIEVAL_SYNC_DIR, _SYNC_SOURCES."""
    for place in load(RetrievalSettings).sources:
        sync_source.delay(place)


@app.task(name="retrieval.sync_source")  # type: ignore[untyped-decorator]
def sync_source(place: str, start: int = 0) -> None:
    """Bring a part of one source in step; the rest is a task of its own, behind its documents."""
    worker = _worker()
    fetching = Fetching(allow_private=worker.retrieval.fetch_private)
    with open_source(place, fetching) as source:
        part = worker.runner.run(sync.sync_part(source, start, worker.sync_deps))
    if part.next_start is not None:
        sync_source.apply_async((place, part.next_start), countdown=SYNC_AGAIN_S)
    log.info("sync of %s from %d: %s", place, start, part)
