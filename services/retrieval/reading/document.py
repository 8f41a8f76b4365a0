"""Any supported file to Markdown and what it says about itself. Runs in the bounded child."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from services.retrieval.chunking import Piece, chunk_document
from services.retrieval.reading.front import split_front_matter, unix_ms_of
from services.retrieval.reading.kinds import kind_of, text_of
from services.retrieval.reading.limits import MAX_MARKDOWN_CHARACTERS, Rejected
from shared.embeddings import TokenCounter

_FIRST_HEADING = re.compile(r"^#\s+(.+)$", re.MULTILINE)
MAX_CHUNKS = 5_000  # a book of a thousand pages; more is surely the wrong file


@dataclass(frozen=True)
class Source:
    """A file as it was submitted; empty fields are for the file itself to say."""

    name: str
    media_type: str = ""
    title: str = ""
    chunk_tokens: int = 200


@dataclass(frozen=True)
class ReadDocument:
    """A document as text, and what its own head says; empty or 0 where it says nothing."""

    title: str
    markdown: str = ""
    source: str = ""
    locale: str = ""
    product: str = ""
    visibility: str = ""
    updated_unix_ms: int = 0
    pieces: tuple[Piece, ...] = ()


def to_markdown(content: bytes, source: Source) -> ReadDocument:
    """The whole file as Markdown. Raises Rejected with a reason for its author."""
    kind = kind_of(content, name=source.name, media_type=source.media_type)
    if kind == "pdf":
        from services.retrieval.reading.pdf import read_pdf

        markdown, title = read_pdf(content)
        return ReadDocument(title, markdown)
    if kind == "docx":
        from services.retrieval.reading.docx import read_docx

        markdown, title, modified = read_docx(content)
        return ReadDocument(title, markdown, updated_unix_ms=unix_ms_of(modified))
    return _from_text(text_of(content), kind)


def _from_text(text: str, kind: str) -> ReadDocument:
    if kind == "csv":
        from services.retrieval.reading.table import read_csv

        return ReadDocument("", read_csv(text))
    if kind == "html":
        from services.retrieval.reading.html import read_html

        page = read_html(text)
        return ReadDocument(page.title, page.markdown, source=page.source, locale=page.locale)
    matter = split_front_matter(text)
    fields = matter.fields
    return ReadDocument(
        title=fields.get("title", ""),
        markdown=matter.body,
        source=fields.get("source") or fields.get("url", ""),
        locale=fields.get("locale") or fields.get("language") or fields.get("lang", ""),
        product=fields.get("product", ""),
        visibility=fields.get("visibility", ""),
        updated_unix_ms=unix_ms_of(fields.get("updated") or fields.get("date", "")),
    )


def read_document(content: bytes, source: Source, counter: TokenCounter) -> ReadDocument:
    """The file cut into pieces, its title settled. Raises Rejected with a reason."""
    read = to_markdown(content, source)
    if not read.markdown.strip():
        raise Rejected("the document is empty")
    if len(read.markdown) > MAX_MARKDOWN_CHARACTERS:
        raise Rejected(f"more than {MAX_MARKDOWN_CHARACTERS:,} characters of text: split it")
    heading = _FIRST_HEADING.search(read.markdown)
    stem = PurePosixPath(source.name).stem
    title = (
        source.title or read.title or (heading.group(1).strip(" #") if heading else "")
    ) or stem
    pieces = chunk_document(
        read.markdown, title=title, embedder=counter, max_tokens=source.chunk_tokens
    )
    if len(pieces) > MAX_CHUNKS:
        raise Rejected(f"{len(pieces)} chunks; at most {MAX_CHUNKS} are allowed in one document")
    if not pieces:
        raise Rejected("the document is empty")
    return replace(read, title=title, markdown="", pieces=tuple(pieces))


def to_json(read: ReadDocument) -> dict[str, Any]:
    """As it travels from the child to the worker."""
    return asdict(read)


def from_json(found: dict[str, Any]) -> ReadDocument:
    """What `to_json` made."""
    pieces: Sequence[dict[str, Any]] = found["pieces"]
    made = (Piece(p["title"], tuple(p["headings"]), p["text"]) for p in pieces)
    return ReadDocument(**{**found, "pieces": tuple(made)})
