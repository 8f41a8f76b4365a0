"""Document ids from paths and URLs: what the API allows, and the same every time."""

import hashlib
import re
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from shared.documents import MEDIA_TYPES

_LONGEST = 128
_OTHER = re.compile(r"[^A-Za-z0-9._-]+")


def document_id_of(path: PurePosixPath) -> str:
    """`returns/in the EU.md` becomes `returns-in-the-EU`."""
    name = path.stem if path.suffix.lower() in MEDIA_TYPES else path.name
    return _id("-".join([*path.parent.parts, name]))


def document_id_of_url(url: str) -> str:
    """`https://shop.example/help/returns?lang=en` becomes `help-returns-lang-en`."""
    parts = urlsplit(url)
    path = unquote(parts.path).strip("/")
    stem = document_id_of(PurePosixPath(path)) if path else "index"
    return _id(f"{stem}-{parts.query}" if parts.query else stem)


def _id(text: str) -> str:
    found = _OTHER.sub("-", text).strip("-._")
    if len(found) <= _LONGEST:
        return found
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]  # long names often differ at their ends
    return f"{found[: _LONGEST - 9].rstrip('-._')}-{digest}"
