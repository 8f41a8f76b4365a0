"""Markdown as a reader hears it: plain sentences, and the first words of a passage."""

import re

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"“(])|\n\s*\n|\n(?=\s*(?:[-*•]|\d+[.)])\s)")
_MARKUP = re.compile(r"[*_`#>|]+|\[([^\]]+)\]\([^)]+\)")
# Or a row of a table; a whole line in bold heads what follows, unless it is a sentence.
_HEADING = re.compile(r"\s*(?:[#|]|\*\*[^*]+[^*.!?:]\*\*\s*$)")
_BULLET = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+")


def sentences_of(text: str) -> list[str]:
    """Plain sentences of Markdown text; headings, bold ones too, and table rows are none."""
    found = []
    for piece in _SENTENCE.split(text):
        lines = [line for line in piece.splitlines() if not _HEADING.match(line)]
        plain = _BULLET.sub("", _MARKUP.sub(r"\1", " ".join(lines))).strip()
        if len(plain.split()) >= 3:
            found.append(" ".join(plain.split()))
    return found


def snippet_of(text: str, characters: int) -> str:
    """The first words of Markdown text without its markup, cut between words at `characters`."""
    plain = " ".join(sentences_of(text)) or " ".join(_MARKUP.sub(r"\1", text).split())
    if len(plain) <= characters:
        return plain
    return plain[: characters - 1].rsplit(" ", 1)[0].rstrip(" ,;:-") + "…"
