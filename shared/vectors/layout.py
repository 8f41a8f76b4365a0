"""How chunks lie in Qdrant, embedded or server: names, payload, ids; and how reading stays whole.

Each document has one *head*, a point without vectors that names the generation readers may see.
A new version is written beside the old one under a new generation, then the head moves (one point:
atomic), then the old generation goes. Whoever reads compares the heads before and after; if the
head of a document it found has moved in between, it reads again.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import numpy as np

from shared.vectors.fusion import fuse
from shared.vectors.lexical import language_of
from shared.vectors.port import Chunk, Hit, Query, Vectors

DENSE = "dense"
LEXICAL = "lexical"
KEYWORD_FIELDS = ("tenant_id", "kind", "document_id", "generation", "language", "product",
                  "visibility")  # fmt: skip
MAX_READS = 4  # a document would have to change three times within one search to be left out

_NAMESPACE = uuid.UUID("0f0c2f0a-0d4e-5a53-9a53-51c7d1f2b4aa")

T = TypeVar("T")
Payload = dict[str, Any]
Heads = Mapping[str, str]  # document id → generation that readers may see


@dataclass(frozen=True, slots=True)
class Found:
    """A chunk as one leg found it, before anybody asked whether its generation is current."""

    point_id: str
    score: float
    payload: Payload
    vector: Vectors | None


def chunk_point_id(generation: str, chunk_id: str) -> str:
    """A UUID that no other generation of the chunk has."""
    return str(uuid.uuid5(_NAMESPACE, f"{generation}|{chunk_id}"))


def head_point_id(tenant_id: str, document_id: str) -> str:
    """The UUID of a document's head."""
    return str(uuid.uuid5(_NAMESPACE, f"head|{tenant_id}|{document_id}"))


def chunk_payload(chunk: Chunk, generation: str) -> Payload:
    """What is stored beside a chunk's vectors."""
    language = language_of(chunk.locale)
    return {**asdict(chunk), "headings": list(chunk.headings), "kind": "chunk",
            "generation": generation, "language": language}  # fmt: skip


def head_payload(
    tenant_id: str, document_id: str, version: str, generation: str, chunks: int
) -> Payload:
    """What a document's head says."""
    return {"kind": "head", "tenant_id": tenant_id, "document_id": document_id,
            "version": version, "generation": generation, "chunks": chunks}  # fmt: skip


def chunk_from(payload: Payload) -> Chunk:
    """The chunk that `chunk_payload` stored."""
    fields = {name: payload[name] for name in Chunk.__slots__}
    return Chunk(**{**fields, "headings": tuple(fields["headings"])})


def check_document(
    tenant_id: str, document_id: str, version: str, chunks: Sequence[Chunk], vectors: Vectors
) -> None:
    """Raises ValueError when chunks and vectors are not those of this document version."""
    if len(chunks) != len(vectors):
        raise ValueError(f"{len(chunks)} chunks but {len(vectors)} vectors of {document_id!r}")
    for chunk in chunks:
        owner = (chunk.tenant_id, chunk.document_id, chunk.document_version)
        if owner != (tenant_id, document_id, version):
            raise ValueError(f"chunk {chunk.id!r} belongs to {owner}")
    if len({chunk.id for chunk in chunks}) != len(chunks):
        raise ValueError(f"two chunks of {document_id!r} have the same id")


def read_whole(
    read: Callable[[], list[T]],
    document_of: Callable[[T], tuple[str, str]],
    known: Callable[[], Callable[[str], str | None]],
    current: Callable[[Iterable[str]], Heads],
) -> list[T]:
    """What `read` finds of current generations, never a part of a document version.

    Args:
        read: looks the chunks up; may see any generation, even one half written.
        document_of: document id and generation of a found chunk.
        known: looks up heads as they were before reading.
        current: heads of these documents as they are now; also updates what `known` answers.
    """
    moved: set[str] = set()
    found: list[T] = []
    after: Heads = {}
    for _ in range(MAX_READS):
        before = known()
        found = read()
        after = current({document_of(item)[0] for item in found})
        moved = {doc for doc in after if before(doc) != after[doc]}
        if not moved:
            break
    return [item for item in found
            if document_of(item)[0] not in moved
            and after.get(document_of(item)[0]) == document_of(item)[1]]  # fmt: skip


def fused_hits(dense: Sequence[Found], lexical: Sequence[Found], query: Query) -> list[Hit]:
    """The hits of both legs in one ranking; the cosine a leg lacks is computed from the vector."""
    cosines = {item.point_id: item.score for item in dense}
    words = {item.point_id: item.score for item in lexical}
    found = {item.point_id: item for item in (*lexical, *dense)}
    if query.vector is not None:
        for point_id, item in found.items():
            if item.vector is not None:
                cosines.setdefault(point_id, float(item.vector @ query.vector))
    scores = fuse(cosines, words, query.dense_weight)
    hits = [
        Hit(
            chunk=chunk_from(found[key].payload),
            score=score,
            dense=cosines.get(key, 0.0),
            lexical=words.get(key, 0.0),
            vector=found[key].vector,
        )
        for key, score in scores.items()
    ]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))[: query.limit]


def as_vector(values: object) -> Vectors | None:
    """A stored dense vector as an array; None when none was asked for."""
    named = values.get(DENSE) if isinstance(values, dict) else values
    return None if named is None else np.asarray(named, dtype=np.float32)


def without_vector(hit: Hit) -> Hit:
    """The same hit, lighter."""
    return replace(hit, vector=None)
