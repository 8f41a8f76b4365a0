"""Labelled question pairs from JSONL files."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Two questions; `label` 1: one answer serves both, 0: it does not."""

    text_a: str
    text_b: str
    label: int

    @property
    def key(self) -> tuple[str, str]:
        """Both questions without order, case and space around: the same pair has the same key."""
        one, other = sorted(text.strip().lower() for text in (self.text_a, self.text_b))
        return one, other


def read(path: Path) -> list[Pair]:
    """The rows of a JSONL file of `text_a`, `text_b`, `label`; other fields are ignored.

    Raises:
        ValueError: no row, or one that is not such a pair; the message names file and line.
        OSError: the file cannot be read.
    """
    found: list[Pair] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                found.append(_pair(line, f"{path.name}, line {number}"))
    if not found:
        raise ValueError(f"{path.name} has no rows; one is a JSON object: text_a, text_b, label")
    return found


def _pair(line: bytes, where: str) -> Pair:
    try:
        row = json.loads(line)
    except ValueError as error:  # not UTF-8, or not JSON
        raise ValueError(f"{where}: not a JSON object in UTF-8: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"{where}: expected an object of text_a, text_b, label")
    for name in ("text_a", "text_b"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise ValueError(f"{where}: {name} must be a text that is not empty")
    if row.get("label") not in (0, 1, "0", "1"):
        raise ValueError(f"{where}: label must be 1 (same answer) or 0, not {row.get('label')!r}")
    return Pair(row["text_a"], row["text_b"], int(row["label"]))
