"""Where documents are prepared: in the Celery worker, or in this process on the memory bus."""

import asyncio
import base64

from services.retrieval.documents import KnownVectors, prepare
from services.retrieval.reading.sandbox import Reader
from services.retrieval.settings import RetrievalSettings
from shared.embeddings import Embedder
from shared.errors import Unavailable
from shared.events import DocumentSubmitted
from shared.executor import BoundedExecutor
from shared.publisher import Publisher


class CeleryJobs:
    """Jobs in the Celery worker."""

    def __init__(self, timeout_s: float = 5.0) -> None:
        self._sender = BoundedExecutor("celery", queue=64, timeout_s=timeout_s)

    async def prepare(self, event: DocumentSubmitted, known: KnownVectors) -> None:
        carried = {name: base64.b64encode(vector).decode() for name, vector in known.items()}
        await self._sender.run(self._send, event.model_dump_json(), carried)

    def _send(self, submitted: str, known: dict[str, str]) -> None:
        from kombu.exceptions import OperationalError

        from services.retrieval.jobs import prepare_document

        try:
            prepare_document.apply_async((submitted, known), retry=False)
        except OperationalError as error:
            raise Unavailable("the job queue (CELERY_BROKER_URL) cannot be reached") from error

    def close(self) -> None:
        self._sender.close()


class InlineJobs:
    """Jobs in this process, for the memory bus: same work, no queue to survive a restart."""

    def __init__(
        self,
        reader: Reader,
        embedder: Embedder,
        settings: RetrievalSettings,
        publisher: Publisher,
    ) -> None:
        self._reader = reader
        self._embedder = embedder
        self._settings = settings
        self._publisher = publisher
        self._worker = BoundedExecutor("prepare", queue=256, timeout_s=600.0)
        self._running: set[asyncio.Task[None]] = set()

    async def prepare(self, event: DocumentSubmitted, known: KnownVectors) -> None:
        task = asyncio.create_task(self._prepare(event, known))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _prepare(self, event: DocumentSubmitted, known: KnownVectors) -> None:
        tokens = self._settings.chunk_tokens
        prepared = await self._worker.run(
            prepare, event, self._reader, self._embedder, tokens, known
        )
        await self._publisher.publish(prepared)

    def close(self) -> None:
        for task in self._running:
            task.cancel()
        self._worker.close()
        self._reader.close()
