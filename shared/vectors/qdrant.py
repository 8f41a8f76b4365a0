"""A Qdrant server: one collection for all tenants; its tenant index keeps each one together.

Both legs travel in one request and are fused here, by the same code as the embedded engine's, so
that moving from one to the other changes no ranking. Heads come back in a second, small request.
"""

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from shared.errors import Unavailable
from shared.vectors import layout
from shared.vectors.layout import DENSE, LEXICAL, Found
from shared.vectors.port import Chunk, Hit, Query, Vectors
from shared.vectors.qdrant_requests import (
    chunk_filter,
    collection_settings,
    equals,
    head_filter,
    legs_of,
    point_of,
)

COLLECTION = "switchboard"
WRITE_POINTS = 128
SCROLL_POINTS = 1000
CONFLICT = 409  # somebody else has just created the collection


class QdrantVectorStore:
    """A VectorStore on a Qdrant server, version 1.15 or newer."""

    def __init__(
        self,
        url: str,
        dimensions: int = 384,
        *,
        collection: str = COLLECTION,
        timeout_s: int = 5,
        client: QdrantClient | None = None,
    ) -> None:
        self._client = client or QdrantClient(url=url, timeout=timeout_s, check_compatibility=False)
        self._collection = collection
        self._dimensions = dimensions
        self._ready = False
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, str]] = {}  # tenant → document → generation last seen

    def replace_document(
        self,
        tenant_id: str,
        document_id: str,
        version: str,
        chunks: Sequence[Chunk],
        vectors: Vectors,
    ) -> None:
        layout.check_document(tenant_id, document_id, version, chunks, vectors)
        generation = uuid.uuid4().hex
        points = [point_of(c, v, generation) for c, v in zip(chunks, vectors, strict=True)]
        for start in range(0, len(points), WRITE_POINTS):
            self._upsert(points[start : start + WRITE_POINTS])
        head = layout.head_payload(tenant_id, document_id, version, generation, len(chunks))
        point_id = layout.head_point_id(tenant_id, document_id)
        self._upsert([models.PointStruct(id=point_id, vector={}, payload=head)])
        self._drop_other_generations(tenant_id, document_id, generation)

    def remove_document(self, tenant_id: str, document_id: str) -> bool:
        point_id = layout.head_point_id(tenant_id, document_id)
        present = bool(self._call("retrieve", ids=[point_id], with_payload=False))
        self._delete(models.PointIdsList(points=[point_id]))
        self._drop_other_generations(tenant_id, document_id, "")
        return present

    def remove_tenant(self, tenant_id: str) -> None:
        everything = models.Filter(must=[equals("tenant_id", tenant_id)])
        self._delete(models.FilterSelector(filter=everything))
        self._known.pop(tenant_id, None)

    def search(self, query: Query) -> list[Hit]:
        legs = legs_of(query)
        if not legs:
            return []
        names, requests = list(legs), list(legs.values())

        def read() -> list[tuple[str, Found]]:
            results = self._call("query_batch_points", requests=requests)
            return [(name, _found(point)) for name, result in zip(names, results, strict=True)
                    for point in result.points]  # fmt: skip

        whole = self._whole(query.tenant_id, read, lambda item: _document_of(item[1]))
        dense = [item for name, item in whole if name == DENSE]
        lexical = [item for name, item in whole if name == LEXICAL]
        return layout.fused_hits(dense, lexical, query)

    def fetch_vectors(self, tenant_id: str, chunk_ids: Sequence[str]) -> Mapping[str, Vectors]:
        by_id = models.FieldCondition(key="id", match=models.MatchAny(any=list(chunk_ids)))
        wanted = chunk_filter(tenant_id, by_id)
        found = self._scroll_whole(tenant_id, wanted, [DENSE])
        return {item.payload["id"]: item.vector for item in found if item.vector is not None}

    def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        wanted = chunk_filter(tenant_id, equals("document_id", document_id))
        chunks = [layout.chunk_from(item.payload)
                  for item in self._scroll_whole(tenant_id, wanted, [])]  # fmt: skip
        return sorted(chunks, key=lambda chunk: chunk.position)

    def count(self, tenant_id: str) -> int:
        return sum(int(head["chunks"]) for head in self._heads(tenant_id))

    def versions(self, tenant_id: str) -> Mapping[str, str]:
        return {head["document_id"]: head["version"] for head in self._heads(tenant_id)}

    def ping(self, timeout_s: float = 0.5) -> bool:
        try:
            self._client.info()
        except (ResponseHandlingException, UnexpectedResponse):
            return False
        return True

    def close(self) -> None:
        self._client.close()

    def _call(self, method: str, **arguments: Any) -> Any:
        """One request; a server that is away, or answers 5xx, is `Unavailable`."""
        try:
            self._ensure_collection()
            return getattr(self._client, method)(self._collection, **arguments)
        except (ResponseHandlingException, UnexpectedResponse) as error:
            raise Unavailable(f"Qdrant: {error}") from error

    def _ensure_collection(self) -> None:
        with self._lock:
            if self._ready:
                return
            if not self._client.collection_exists(self._collection):
                try:
                    self._client.create_collection(
                        self._collection, **collection_settings(self._dimensions)
                    )
                except UnexpectedResponse as error:
                    if error.status_code != CONFLICT:
                        raise
            for field in layout.KEYWORD_FIELDS:
                kind = models.KeywordIndexParams(
                    type=models.KeywordIndexType.KEYWORD, is_tenant=field == "tenant_id"
                )
                self._client.create_payload_index(self._collection, field, field_schema=kind)
            self._ready = True

    def _upsert(self, points: Sequence[models.PointStruct]) -> None:
        self._call("upsert", points=points, wait=True)

    def _delete(self, selector: models.PointIdsList | models.FilterSelector) -> None:
        self._call("delete", points_selector=selector, wait=True)

    def _drop_other_generations(self, tenant_id: str, document_id: str, generation: str) -> None:
        stale = chunk_filter(tenant_id, equals("document_id", document_id))
        stale.must_not = [equals("generation", generation)]
        self._delete(models.FilterSelector(filter=stale))

    def _heads(self, tenant_id: str) -> list[layout.Payload]:
        return [item.payload for item in self._scroll(head_filter(tenant_id), [])]

    def _scroll(self, wanted: models.Filter, vectors: list[str]) -> list[Found]:
        found: list[Found] = []
        offset = None
        while True:
            records, offset = self._call("scroll", scroll_filter=wanted, limit=SCROLL_POINTS,
                                         offset=offset, with_payload=True,
                                         with_vectors=vectors or False)  # fmt: skip
            found.extend(_found(record) for record in records)
            if offset is None:
                return found

    def _scroll_whole(self, tenant: str, wanted: models.Filter, vectors: list[str]) -> list[Found]:
        return self._whole(tenant, lambda: self._scroll(wanted, vectors), _document_of)

    def _whole(
        self,
        tenant_id: str,
        read: Callable[[], list[layout.T]],
        document_of: Callable[[layout.T], tuple[str, str]],
    ) -> list[layout.T]:
        if tenant_id not in self._known:
            heads = self._heads(tenant_id)
            self._known[tenant_id] = {head["document_id"]: head["generation"] for head in heads}
        seen = self._known[tenant_id]

        def current(documents: Iterable[str]) -> layout.Heads:
            ids = [layout.head_point_id(tenant_id, document) for document in documents]
            records = self._call("retrieve", ids=ids, with_payload=True) if ids else []
            heads = {r.payload["document_id"]: r.payload["generation"] for r in records}
            pending.update(heads)
            return heads

        pending: dict[str, str] = {}

        def known() -> Callable[[str], str | None]:
            before = {**seen, **pending}
            seen.update(pending)
            return before.get

        return layout.read_whole(read, document_of, known, current)


def _found(point: Any) -> Found:
    score = float(getattr(point, "score", 0.0))
    vector = layout.as_vector(point.vector)
    if vector is not None and vector.dtype != np.float32:
        vector = vector.astype(np.float32)
    return Found(str(point.id), score, point.payload, vector)


def _document_of(item: Found) -> tuple[str, str]:
    return item.payload["document_id"], item.payload["generation"]
