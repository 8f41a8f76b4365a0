"""The index and the search, off the event loop."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import numpy as np

from services.retrieval.chunking import Piece, recipe_of
from services.retrieval.documents import KnownVectors, text_hash
from services.retrieval.followups import mixed, resolved
from services.retrieval.handlers import Found
from services.retrieval.rerank import Pair
from services.retrieval.search import DENSE_WEIGHT, Candidates, Searcher
from services.retrieval.settings import RetrievalSettings
from services.retrieval.warming import Warmer
from shared.batching import BatchingExecutor
from shared.embeddings import Embedder
from shared.errors import Overloaded, Transient
from shared.events import DocumentPrepared, Passage, Routed
from shared.executor import BoundedExecutor
from shared.vectors import Chunk, Hit, Query, VectorStore
from shared.vectors.port import PUBLIC

log = logging.getLogger(__name__)

_DIMENSIONS = 384


class StoreIndex:
    """Writes prepared documents into the vector store, one at a time; `learn` hears of each."""

    def __init__(
        self,
        store: VectorStore,
        embedder_name: str,
        timeout_s: float,
        learn: Callable[[Sequence[Chunk]], None],
    ) -> None:
        self._store = store
        self._learn = learn
        self._writer = BoundedExecutor("index", queue=64, timeout_s=timeout_s)
        self._knowledge_version = recipe_of(embedder_name)

    @property
    def knowledge_version(self) -> str:
        return self._knowledge_version

    async def version(self, tenant_id: str, document_id: str) -> str:
        versions = await self._writer.run(self._store.versions, tenant_id)
        return versions.get(document_id, "")

    async def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        return await self._writer.run(self._store.chunks_of, tenant_id, document_id)

    async def known_vectors(self, tenant_id: str, document_id: str) -> KnownVectors:
        return await self._writer.run(self._known_now, tenant_id, document_id)

    def _known_now(self, tenant_id: str, document_id: str) -> dict[str, bytes]:
        chunks = {chunk.id: chunk for chunk in self._store.chunks_of(tenant_id, document_id)}
        vectors = self._store.fetch_vectors(tenant_id, list(chunks)) if chunks else {}
        return {
            text_hash(Piece(c.title, c.headings, c.text).embedding_text): vectors[c.id].tobytes()
            for c in chunks.values()
            if c.id in vectors
        }

    async def replace(self, event: DocumentPrepared) -> None:
        await self._writer.run(self._replace_now, event)

    def _replace_now(self, event: DocumentPrepared) -> None:
        vectors = [np.frombuffer(chunk.vector, np.float32) for chunk in event.chunks]
        chunks = _chunks(event)
        self._learn(chunks)
        self._store.replace_document(
            event.tenant_id,
            event.document_id,
            event.version,
            chunks,
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
            visibility=event.visibility or PUBLIC,
            source=event.source,
            updated_unix_ms=event.updated_unix_ms or event.submitted_unix_ms,
        )
        for position, chunk in enumerate(event.chunks)
    ]


class BoundedSearch:
    """The searcher in one bounded thread, the re-ranker in another, where questions share batches.

    Finding and re-ranking of different questions overlap. A re-ranker that has too much to do, or
    takes too long, is passed over: the order of the search is an answer, too.
    """

    def __init__(
        self,
        searcher: Searcher,
        store: VectorStore,
        embedder: Embedder,
        settings: RetrievalSettings,
    ) -> None:
        self._searcher = searcher
        self._warmer = Warmer(store, searcher.learn)
        self._store = store
        self._embedder = embedder
        self._limit = settings.passages
        self._executor = BoundedExecutor(
            "search", queue=settings.search_queue, timeout_s=settings.search_timeout_s
        )
        self._reranker: BatchingExecutor[Pair, float] | None = None
        if searcher.reranker is not None:
            self._reranker = BatchingExecutor(
                "reranker", searcher.reranker.scores, queue=settings.rerank_queue,
                timeout_s=settings.rerank_timeout_s,
            )  # fmt: skip

    async def search(self, event: Routed, *, lexical_only: bool, rerank: bool) -> Found:
        self._warmer.hear(event.tenant_id)
        question = resolved(event.text, [e.question for e in event.context], event.locale)
        candidates = await self._executor.run(self._find_now, event, question, lexical_only, rerank)
        logits = await self._logits(candidates.pairs()) if rerank else []
        found = candidates.result(logits, self._limit)
        passages = tuple(passage_of(hit) for hit in found.passages)
        return Found(passages, found.probability, "" if question == event.text else question)

    def _find_now(
        self, event: Routed, question: str, lexical_only: bool, rerank: bool
    ) -> Candidates:
        vector = None if event.embedding is None else np.frombuffer(event.embedding, np.float32)
        if vector is not None and question != event.text and not lexical_only:
            vector = mixed(vector, self._embedder.embed([question])[0])
        query = Query(event.tenant_id, question, vector, locale=event.locale,
                      dense_weight=DENSE_WEIGHT)  # fmt: skip
        return self._searcher.find(query, lexical_only=lexical_only, rerank=rerank)

    async def _logits(self, pairs: Sequence[Pair]) -> list[float]:
        """A logit per pair, or none at all."""
        if self._reranker is None:
            return []
        tasks = [asyncio.ensure_future(self._reranker.run(pair)) for pair in pairs]
        try:
            return await asyncio.gather(*tasks)
        except (Overloaded, Transient) as error:
            log.warning("not re-ranked: %s", error)
            return []
        finally:
            for task in tasks:
                task.cancel()

    async def ping(self) -> bool:
        return await self._executor.run(self._store.ping)

    def close(self) -> None:
        self._warmer.close()
        self._executor.close()
        if self._reranker is not None:
            self._reranker.close()


def passage_of(hit: Hit) -> Passage:
    """A hit as events carry it."""
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
