"""From a submitted document to chunks with vectors, or to the reason why not."""

import binascii
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from services.retrieval.chunking import Piece
from services.retrieval.reading.document import ReadDocument, Source
from services.retrieval.reading.front import FrontMatter, split_front_matter
from services.retrieval.reading.limits import Rejected
from services.retrieval.reading.sandbox import Reader
from shared.embeddings import Embedder, Vectors
from shared.events import DocumentPrepared, DocumentSubmitted, PreparedChunk

__all__ = ["FrontMatter", "Rejected", "prepare", "rejected", "split_front_matter", "text_hash"]

KnownVectors = Mapping[str, bytes]  # hash of the embedded text → [dimensions] float32
_CARRIED = ("tenant_id", "document_id", "version", "name", "collection", "ingestion_id",
            "submitted_unix_ms")  # fmt: skip


def prepare(
    event: DocumentSubmitted,
    reader: Reader,
    embedder: Embedder,
    chunk_tokens: int,
    known: KnownVectors | None = None,
) -> DocumentPrepared:
    """Read, cut, embed. A document that cannot be used comes back with a `rejection`.

    `known` are vectors of the version that is indexed now: equal text is not embedded again.
    """
    source = Source(event.name or event.document_id, event.media_type, event.title, chunk_tokens)
    try:
        read = reader.read(event.content_bytes, source)
    except binascii.Error:
        return rejected(event, "the content is not valid base64")
    except Rejected as error:
        return rejected(event, str(error))
    vectors = embedded([piece.embedding_text for piece in read.pieces], embedder, known or {})
    return _prepared(event, read, vectors)


def _prepared(event: DocumentSubmitted, read: ReadDocument, vectors: Vectors) -> DocumentPrepared:
    return _carried(
        event,
        title=read.title,
        source=event.source or read.source,
        locale=read.locale or event.locale,
        product=event.product or read.product,
        visibility=event.visibility or read.visibility,
        updated_unix_ms=event.updated_unix_ms or read.updated_unix_ms,
        chunks=tuple(map(_chunk, read.pieces, vectors)),
    )


def rejected(event: DocumentSubmitted, reason: str) -> DocumentPrepared:
    """The document as it came, with the reason why it cannot be used."""
    return _carried(
        event,
        title=event.title or event.document_id,
        source=event.source,
        locale=event.locale,
        rejection=reason,
    )


def embedded(texts: Sequence[str], embedder: Embedder, known: KnownVectors) -> Vectors:
    """One row per text, [n, dimensions] float32; only texts that are not `known` are computed."""
    vectors = np.zeros((len(texts), embedder.dimensions), np.float32)
    missing = []
    for row, text in enumerate(texts):
        if (vector := known.get(text_hash(text))) is not None:
            vectors[row] = np.frombuffer(vector, np.float32)
        else:
            missing.append(row)
    if missing:
        vectors[missing] = embedder.embed([texts[row] for row in missing])
    return vectors


def text_hash(text: str) -> str:
    """What equal embedded texts share."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _chunk(piece: Piece, vector: Vectors) -> PreparedChunk:
    return PreparedChunk(text=piece.text, heading=piece.heading, vector=vector.tobytes())


def _carried(event: DocumentSubmitted, **more: Any) -> DocumentPrepared:
    return DocumentPrepared(**{name: getattr(event, name) for name in _CARRIED}, **more)
