"""A process that ingests a folder, for a test that kills it; prints what it embedded.

python -m tests.services.retrieval.ingesting FOLDER INDEX REDIS_URL
"""

import asyncio
import sys
from pathlib import Path

from services.retrieval import handlers, sync
from services.retrieval.adapters import StoreIndex
from services.retrieval.documents import KnownVectors, prepare
from services.retrieval.ledger import KeyValueLedger
from services.retrieval.reading.sandbox import SandboxReader
from services.retrieval.search import Searcher
from services.retrieval.settings import RetrievalSettings
from services.retrieval.sources.open import Fetching, open_source
from shared.boards import PolicyBoard
from shared.clock import SystemClock
from shared.embeddings.hashing import HashingEmbedder
from shared.events import DocumentPrepared, DocumentSubmitted, Event
from shared.ingestions import Ingestions
from shared.kv import open_kv
from shared.vectors import open_vectors

TENANT = "morrow"


class NoSearch:
    """Nobody asks here."""

    async def search(self, event: object, *, lexical_only: bool, rerank: bool) -> handlers.Found:
        raise NotImplementedError


class Jobs:
    """Prepares at once and says so."""

    def __init__(self, reader: SandboxReader) -> None:
        self._reader = reader
        self.prepared: list[DocumentPrepared] = []

    async def prepare(self, event: DocumentSubmitted, known: KnownVectors) -> None:
        self.prepared.append(prepare(event, self._reader, HashingEmbedder(), 32, known))
        print(event.document_id, flush=True)


async def ingest(folder: Path, index_folder: Path, redis_url: str) -> None:
    """Bring the index in step with `folder`, as the nightly job and the handlers do."""
    kv = open_kv(redis_url)
    store = open_vectors(f"edge:{index_folder}")
    index = StoreIndex(
        store, HashingEmbedder().name, 30.0, Searcher(HashingEmbedder(), store).learn
    )
    with SandboxReader("hashing:") as reader:
        jobs = Jobs(reader)
        deps = handlers.Deps(
            settings=RetrievalSettings(), search=NoSearch(), index=index, jobs=jobs,
            ledger=KeyValueLedger(kv), progress=Ingestions(kv), policy=PolicyBoard(),
            clock=SystemClock(),
        )  # fmt: skip

        async def publish(event: Event) -> None:
            assert isinstance(event, DocumentSubmitted)
            await handlers.submit(event, deps)
            while jobs.prepared:
                await handlers.index(jobs.prepared.pop(), deps)

        recipe = index.knowledge_version
        how = sync.Deps(TENANT, recipe, 1.0, publish, deps.ledger, deps.progress, deps.clock)
        with open_source(str(folder), Fetching()) as source:
            await sync.sync_part(source, 0, how)
    index.close()
    store.close()
    await kv.close()


if __name__ == "__main__":
    asyncio.run(ingest(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
