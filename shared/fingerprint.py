"""When two texts are the same text: the key of an exact match and of remembered verdicts."""

import hashlib
import re
import unicodedata

_SPACE = re.compile(r"\s+")
_EDGES = re.compile(r"^[^\w<]+|[^\w>]+$")


def normalise(text: str) -> str:
    """Case, width, runs of white space and punctuation at the ends make no difference."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _EDGES.sub("", _SPACE.sub(" ", folded).strip())


def fingerprint(text: str) -> str:
    """32 hex digits of the normalised text (SHA-256, 128 bits: collisions are not a concern)."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:32]
