"""A document as Markdown again, from what is indexed of it. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from shared.vectors import Chunk


def markdown_of(chunks: Sequence[Chunk]) -> str:
    """The chunks in reading order under their headings; reading it again finds the same words."""
    return "\n\n".join(_blocks(chunks)) + "\n"


def _blocks(chunks: Sequence[Chunk]) -> Iterator[str]:
    yield f"# {chunks[0].title}"
    above: tuple[str, ...] = ()
    for chunk in chunks:
        same = 0
        while same < min(len(above), len(chunk.headings)) and above[same] == chunk.headings[same]:
            same += 1
        for level, heading in enumerate(chunk.headings[same:], start=same + 2):
            yield f"{'#' * min(level, 6)} {heading}"
        above = chunk.headings
        if chunk.text != chunk.title:  # a document of headings alone repeats its title
            yield chunk.text


def document_of(chunks: Sequence[Chunk]) -> dict[str, Any]:
    """All that is known of a document, for `GET /v1/documents/{id}`."""
    first = chunks[0]
    return {
        "id": first.document_id,
        "title": first.title,
        "version": first.document_version,
        "content": markdown_of(chunks),
        "source": first.source,
        "locale": first.locale,
        "product": first.product,
        "visibility": first.visibility,
        "updated_unix_ms": first.updated_unix_ms,
        "chunks": len(chunks),
    }
