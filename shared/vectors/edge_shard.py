"""One tenant's shard of the embedded engine: the calls, the filters, the heads in memory."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import qdrant_edge as qe

from shared.vectors import layout
from shared.vectors.layout import DENSE, LEXICAL, Found
from shared.vectors.lexical import encode_chunk, encode_query, language_of
from shared.vectors.port import Chunk, Hit, Query, Vectors

WRITE_POINTS = 256  # per operation: bounds the memory of a write-ahead record
SCROLL_POINTS = 1000


def _config(dimensions: int) -> qe.EdgeConfig:
    dense = qe.EdgeVectorParams(size=dimensions, distance=qe.Distance.Cosine)
    words = qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf)
    return qe.EdgeConfig(vectors={DENSE: dense}, sparse_vectors={LEXICAL: words})


def _is(key: str, value: str) -> qe.FieldCondition:
    return qe.FieldCondition(key=key, match=qe.MatchValue(value))


def chunk_filter(query: Query) -> qe.Filter:
    """Which points a query may see; the tenant is the shard itself."""
    must: list[Any] = [_is("kind", "chunk")]
    if query.locale:
        must.append(_is("language", language_of(query.locale)))
    if query.product:
        must.append(_is("product", query.product))
    must.append(qe.FieldCondition(key="visibility", match=qe.MatchAny(list(query.visibility))))
    return qe.Filter(must=must)


class Shard:
    """A shard on disk. Readers never wait; writers of one tenant take turns."""

    def __init__(self, path: Path, dimensions: int) -> None:
        self._write = threading.Lock()
        if (path / "edge_config.json").exists() or (path / "segments").exists():
            self._shard = qe.EdgeShard.load(str(path))
        else:
            path.mkdir(parents=True, exist_ok=True)
            self._shard = qe.EdgeShard.create(str(path), _config(dimensions))
            for field in layout.KEYWORD_FIELDS:
                self._update(qe.UpdateOperation.create_field_index(
                    field, qe.PayloadSchemaType.Keyword))  # fmt: skip
        self.heads: Mapping[str, layout.Payload] = self._load_heads()

    def add(self, generation: str, chunks: Sequence[Chunk], vectors: Vectors) -> None:
        """Write the chunks of a generation that no head names yet."""
        points = [
            qe.Point(
                id=layout.chunk_point_id(generation, chunk.id),
                vector={DENSE: vector.tolist(), LEXICAL: _sparse(encode_chunk(chunk))},
                payload=layout.chunk_payload(chunk, generation),
            )
            for chunk, vector in zip(chunks, vectors, strict=True)
        ]
        for start in range(0, len(points), WRITE_POINTS):
            part = points[start : start + WRITE_POINTS]
            self._update(qe.UpdateOperation.upsert_points(part))

    def move_head(self, document_id: str, head: layout.Payload) -> None:
        """From now on readers see the generation that `head` names."""
        point_id = layout.head_point_id(str(head["tenant_id"]), document_id)
        self._update(qe.UpdateOperation.upsert_points([qe.Point(point_id, {}, head)]))
        with self._write:
            self.heads = {**self.heads, document_id: head}

    def drop_other_generations(self, document_id: str, generation: str) -> None:
        """Delete what earlier versions, and crashes in the middle of one, left behind."""
        stale = qe.Filter(
            must=[_is("kind", "chunk"), _is("document_id", document_id)],
            must_not=[_is("generation", generation)],
        )
        self._update(qe.UpdateOperation.delete_points_by_filter(stale))

    def remove(self, tenant_id: str, document_id: str) -> bool:
        """Take the head away first, so that readers lose the whole document at once."""
        with self._write:
            present = document_id in self.heads
            self.heads = {key: head for key, head in self.heads.items() if key != document_id}
        point_id = layout.head_point_id(tenant_id, document_id)
        self._update(qe.UpdateOperation.delete_points([point_id]))
        self.drop_other_generations(document_id, "")
        return present

    def search(self, query: Query) -> list[Hit]:
        """Both legs in one batch, each found chunk of a current generation, fused."""
        legs = [(name, request) for name, request in self._requests(query) if request is not None]
        if not legs:
            return []
        batch = qe.QueryBatchRequest([request for _, request in legs])

        def read() -> list[tuple[str, Found]]:
            results = self._shard.query_batch(batch)
            return [(name, _found(point)) for (name, _), points in zip(legs, results, strict=True)
                    for point in points]  # fmt: skip

        whole = layout.read_whole(read, _document_of_leg, self._generations, self._current)
        dense = [item for name, item in whole if name == DENSE]
        lexical = [item for name, item in whole if name == LEXICAL]
        return layout.fused_hits(dense, lexical, query)

    def vectors_of(self, chunk_ids: Sequence[str]) -> dict[str, Vectors]:
        """Dense vectors of chunks by id; unknown ids are left out."""
        by_id = qe.FieldCondition(key="id", match=qe.MatchAny(list(chunk_ids)))
        found = self._scroll(qe.Filter(must=[_is("kind", "chunk"), by_id]), vectors=True)
        return {item.payload["id"]: item.vector for item in found if item.vector is not None}

    def chunks_of(self, document_id: str) -> list[Chunk]:
        """Current chunks of a document by position."""
        wanted = qe.Filter(must=[_is("kind", "chunk"), _is("document_id", document_id)])
        chunks = [layout.chunk_from(item.payload) for item in self._scroll(wanted, vectors=False)]
        return sorted(chunks, key=lambda chunk: chunk.position)

    def optimize(self) -> bool:
        """Run the engine's optimizers until nothing is left to do."""
        return bool(self._shard.optimize())

    def close(self) -> None:
        """Flush and release."""
        self._shard.flush()
        self._shard.close()

    def _update(self, operation: qe.UpdateOperation) -> None:
        with self._write:
            self._shard.update(operation)

    def _requests(self, query: Query) -> Iterable[tuple[str, qe.QueryRequest | None]]:
        allowed = chunk_filter(query)
        with_vector = [DENSE] if query.vector is not None else False

        def request(nearest: Any, using: str) -> qe.QueryRequest:
            return qe.QueryRequest(limit=query.candidates, filter=allowed, with_payload=True,
                                   query=qe.Query.Nearest(nearest, using=using),
                                   with_vector=with_vector)  # fmt: skip

        if query.vector is not None:
            yield DENSE, request(query.vector.tolist(), DENSE)
        words = encode_query(query.text, query.locale)
        yield LEXICAL, request(_sparse(words), LEXICAL) if words else None

    def _scroll(self, wanted: qe.Filter, *, vectors: bool) -> list[Found]:
        def read() -> list[Found]:
            found: list[Found] = []
            offset = None
            while True:
                request = qe.ScrollRequest(offset=offset, limit=SCROLL_POINTS, filter=wanted,
                                           with_payload=True,
                                           with_vector=[DENSE] if vectors else False)  # fmt: skip
                records, offset = self._shard.scroll(request)
                found.extend(_found(record) for record in records)
                if offset is None:
                    return found

        return layout.read_whole(read, _document_of, self._generations, self._current)

    def _load_heads(self) -> dict[str, layout.Payload]:
        heads: dict[str, layout.Payload] = {}
        offset = None
        while True:
            records, offset = self._shard.scroll(qe.ScrollRequest(
                offset=offset, limit=SCROLL_POINTS, with_payload=True,
                filter=qe.Filter(must=[_is("kind", "head")])))  # fmt: skip
            heads.update({str(r.payload["document_id"]): r.payload for r in records if r.payload})
            if offset is None:
                return heads

    def _generations(self) -> Callable[[str], str | None]:
        heads = self.heads
        return lambda document: heads[document]["generation"] if document in heads else None

    def _current(self, documents: Iterable[str]) -> layout.Heads:
        heads = self.heads
        return {doc: heads[doc]["generation"] for doc in documents if doc in heads}


def _sparse(weights: Mapping[int, float]) -> qe.SparseVector:
    return qe.SparseVector(list(weights.keys()), list(weights.values()))


def _found(point: Any) -> Found:
    score = float(getattr(point, "score", 0.0))
    return Found(str(point.id), score, point.payload, layout.as_vector(point.vector))


def _document_of(item: Found) -> tuple[str, str]:
    return item.payload["document_id"], item.payload["generation"]


def _document_of_leg(item: tuple[str, Found]) -> tuple[str, str]:
    return _document_of(item[1])
