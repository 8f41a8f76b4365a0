"""What services and commands agree on about documents: types, versions, how bytes travel."""

import hashlib
from pathlib import PurePosixPath

BINARY = "application/octet-stream"  # "look at the content"
MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
    ".htm": "text/html",
    ".csv": "text/csv",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
DEFAULTS = {"locale": "en", "visibility": "public"}
TEXT_TYPES = frozenset(kind for kind in MEDIA_TYPES.values() if kind.startswith("text/"))
ACCEPTED_TYPES = frozenset({*MEDIA_TYPES.values(), BINARY})


def media_type_of(name: str) -> str:
    """What a file's name says it is; `BINARY` when it says nothing known."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix.lower(), BINARY)


def version_of(content: bytes, **facts: str) -> str:
    """16 hex digits that change with the content or with what is said about it.

    Facts that say nothing do not count, so a document without any has the SHA-256 of its content.
    """
    digest = hashlib.sha256(content)
    for name in sorted(facts):
        if facts[name] not in ("", DEFAULTS.get(name)):
            digest.update(f"\0{name}={facts[name]}".encode())
    return digest.hexdigest()[:16]
