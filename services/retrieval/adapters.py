"""The index, the background jobs and the search, off the event loop."""

import asyncio
import logging

import numpy as np

from services.retrieval.documents import prepare
from services.retrieval.handlers import Found
from services.retrieval.search import Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings import Embedder
from shared.errors import Unavailable
from shared.events import DocumentPrepared, DocumentSubmitted, Passage, Routed
from shared.executor import BoundedExecutor
from shared.kv.port import KeyValue
from shared.publisher import Publisher
from shared.vectors import Chunk, Hit, VectorStore

log = logging.getLogger(__name__)

CHUNK_RECIPE = 1  # raise it when chunking changes: stored chunks and cached answers end with it
_DIMENSIONS = 384


class StoreIndex:
    """Writes prepared documents into the vector store, one at a time."""

    def __init__(self, store: VectorStore, embedder_name: str, timeout_s: float) -> None:
        self._store = store
        self._writer = BoundedExecutor("index", queue=64, timeout_s=timeout_s)
        self._knowledge_version = f"{embedder_name}-{CHUNK_RECIPE}"

    @property
    def knowledge_version(self) -> str:
        return self._knowledge_version

    async def version(self, tenant_id: str, document_id: str) -> str:
        versions = await self._writer.run(self._store.versions, tenant_id)
        return versions.get(document_id, "")

    async def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        return await self._writer.run(self._store.chunks_of, tenant_id, document_id)

    async def replace(self, event: DocumentPrepared) -> None:
        await self._writer.run(self._replace_now, event)

    def _replace_now(self, event: DocumentPrepared) -> None:
        vectors = [np.frombuffer(chunk.vector, np.float32) for chunk in event.chunks]
        self._store.replace_document(
            event.tenant_id,
            event.document_id,
            event.version,
            _chunks(event),
            np.stack(vectors) if vectors else np.empty((0, _DIMENSIONS), np.float32),
        )

    async def remove(self, tenant_id: str, document_id: str) -> None:
        await self._writer.run(self._store.remove_document, tenant_id, document_id)

    def close(self) -> None:
        self._writer.close()


def _chunks(event: DocumentPrepared) -> list[Chunk]:
    return [
        Chunk(
            id=f"{event.document_id}@{event.version}#{position}",
            document_id=event.document_id,
            document_version=event.version,
            tenant_id=event.tenant_id,
            text=chunk.text,
            title=event.title,
            headings=tuple(part for part in chunk.heading.split(" › ") if part),
            position=position,
            locale=event.locale,
            product=event.product,
            source=event.source,
            updated_unix_ms=event.submitted_unix_ms,
        )
        for position, chunk in enumerate(event.chunks)
    ]


class BoundedSearch:
    """The searcher in one bounded thread."""

    def __init__(self, searcher: Searcher, store: VectorStore, settings: RetrievalSettings) -> None:
        self._searcher = searcher
        self._store = store
        self._limit = settings.passages
        self._executor = BoundedExecutor(
            "search", queue=settings.search_queue, timeout_s=settings.search_timeout_s
        )

    async def search(self, event: Routed, *, lexical_only: bool, rerank: bool) -> Found:
        return await self._executor.run(self._search_now, event, lexical_only, rerank)

    def _search_now(self, event: Routed, lexical_only: bool, rerank: bool) -> Found:
        vector = None if event.embedding is None else np.frombuffer(event.embedding, np.float32)
        found = self._searcher.search(
            event.tenant_id,
            event.text,
            vector,
            locale=event.locale,
            limit=self._limit,
            lexical_only=lexical_only,
            rerank=rerank,
        )
        return Found(tuple(_passage(hit) for hit in found.passages), found.probability)

    async def ping(self) -> bool:
        return await self._executor.run(self._store.ping)

    def close(self) -> None:
        self._executor.close()


def _passage(hit: Hit) -> Passage:
    chunk = hit.chunk
    return Passage(
        passage_id=chunk.id,
        document_id=chunk.document_id,
        document_version=chunk.document_version,
        title=chunk.title,
        heading=chunk.heading,
        source=chunk.source,
        text=chunk.text,
        score=hit.score,
    )


class CeleryJobs:
    """Jobs in the Celery worker."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._sender = BoundedExecutor("celery", queue=64, timeout_s=timeout_s)

    async def prepare(self, event: DocumentSubmitted) -> None:
        await self._sender.run(self._send, event.model_dump_json())

    def _send(self, submitted: str) -> None:
        from kombu.exceptions import OperationalError

        from services.retrieval.jobs import prepare_document

        try:
            prepare_document.apply_async((submitted,), retry=False)
        except OperationalError as error:
            raise Unavailable("the job queue (CELERY_BROKER_URL) cannot be reached") from error

    def close(self) -> None:
        self._sender.close()


class InlineJobs:
    """Jobs in this process, for the memory bus: same work, no queue to survive a restart."""

    def __init__(
        self, embedder: Embedder, settings: RetrievalSettings, publisher: Publisher
    ) -> None:
        self._embedder = embedder
        self._settings = settings
        self._publisher = publisher
        self._worker = BoundedExecutor("prepare", queue=256, timeout_s=600.0)
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, event: DocumentSubmitted) -> None:
        task = asyncio.create_task(self._prepare(event))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _prepare(self, event: DocumentSubmitted) -> None:
        tokens = self._settings.chunk_tokens
        prepared = await self._worker.run(prepare, event, self._embedder, tokens)
        await self._publisher.publish(prepared)

    def close(self) -> None:
        for task in self._running:
            task.cancel()
        self._worker.close()


class KeyValueSubmissions:
    """The newest submission per document, in the key-value store."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def note(self, tenant_id: str, document_id: str, submitted_unix_ms: int) -> None:
        await self._kv.set(_key(tenant_id, document_id), str(submitted_unix_ms).encode())

    async def newest(self, tenant_id: str, document_id: str) -> int:
        return int(await self._kv.get(_key(tenant_id, document_id)) or b"0")


def _key(tenant_id: str, document_id: str) -> str:
    return f"submitted:{tenant_id}:{document_id}"
