"""From a submitted document to chunks with vectors, or to the reason why not. No I/O."""

import re
from dataclasses import dataclass
from typing import Any

import yaml

from services.retrieval.chunking import chunk_document
from shared.embeddings.port import Embedder
from shared.events import DocumentPrepared, DocumentSubmitted, PreparedChunk

MEDIA_TYPES = ("text/markdown", "text/plain", "text/html")
MAX_CHUNKS = 2_000  # a book; more is surely the wrong file
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*\n", re.DOTALL)
_FIRST_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)


class Rejected(ValueError):
    """A document that cannot be used; the text says why, for its author."""


@dataclass(frozen=True)
class FrontMatter:
    """What a document says about itself in a YAML head."""

    fields: dict[str, Any]
    body: str


def split_front_matter(content: str) -> FrontMatter:
    """The YAML head and the rest. Raises Rejected when the head is not YAML."""
    match = _FRONT_MATTER.match(content)
    if match is None:
        return FrontMatter({}, content)
    try:
        fields = yaml.safe_load(match.group(1))
    except yaml.YAMLError as error:
        raise Rejected(f"the front matter is not valid YAML: {error}") from None
    return FrontMatter(fields if isinstance(fields, dict) else {}, content[match.end() :])


def prepare(event: DocumentSubmitted, embedder: Embedder, chunk_tokens: int) -> DocumentPrepared:
    """Read, cut, embed. A document that cannot be used comes back with a `rejection`."""
    try:
        return _prepare(event, embedder, chunk_tokens)
    except Rejected as error:
        return _prepared(event, event.title or event.document_id, rejection=str(error))


def _prepare(event: DocumentSubmitted, embedder: Embedder, chunk_tokens: int) -> DocumentPrepared:
    if event.media_type not in MEDIA_TYPES:
        raise Rejected(f"{event.media_type} is not supported; send one of {', '.join(MEDIA_TYPES)}")
    matter = split_front_matter(event.content)
    if not matter.body.strip():
        raise Rejected("the document is empty")
    heading = _FIRST_HEADING.search(matter.body)
    title = (
        event.title or str(matter.fields.get("title", "")) or (heading.group(1) if heading else "")
    )
    title = title or event.document_id
    pieces = chunk_document(
        matter.body,
        title=title,
        html=event.media_type == "text/html",
        embedder=embedder,
        max_tokens=chunk_tokens,
    )
    if len(pieces) > MAX_CHUNKS:
        raise Rejected(f"{len(pieces)} chunks; at most {MAX_CHUNKS} are allowed in one document")
    vectors = embedder.embed([piece.embedding_text for piece in pieces])
    chunks = tuple(
        PreparedChunk(text=piece.text, heading=piece.heading, vector=vector.tobytes())
        for piece, vector in zip(pieces, vectors, strict=True)
    )
    fields = {name: str(matter.fields.get(name, "")) for name in ("product", "locale", "url")}
    return _prepared(
        event,
        title,
        source=event.source or fields["url"],
        locale=fields["locale"] or event.locale,
        product=event.product or fields["product"],
        chunks=chunks,
    )


def _prepared(event: DocumentSubmitted, title: str, **more: Any) -> DocumentPrepared:
    return DocumentPrepared(
        tenant_id=event.tenant_id,
        document_id=event.document_id,
        version=event.version,
        title=title,
        submitted_unix_ms=event.submitted_unix_ms,
        **more,
    )
