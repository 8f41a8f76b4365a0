"""Labelled messages from CSV or JSONL files."""

import csv
import hashlib
import io
import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUTES = ("faq", "knowledge_base", "escalate_human", "chitchat", "out_of_scope")


@dataclass(frozen=True)
class Message:
    """One labelled message; a label that is not known is None."""

    text: str
    intent: str | None
    route: str | None
    frustration: float | None = None  # 0 calm – 1 angry


def read(path: Path) -> list[Message]:
    """Rows of a `.csv` with a header or a `.jsonl`: `text`, `intent`, maybe `route`, `frustration`.

    A CSV may be separated by commas, semicolons or tabs, as spreadsheets write it.

    Raises:
        ValueError: no rows, not UTF-8, or a row that is no JSON object, has no text or no label, an
            unknown route or a frustration outside 0–1.
    """
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: is not UTF-8 ({error.reason}); save it as UTF-8") from None
    rows = _csv_rows(text) if path.suffix == ".csv" else _json_rows(text, path.name)
    if not rows:
        raise ValueError(f"{path.name}: no rows")
    return [_message(row, f"{path.name}, row {number}") for number, row in enumerate(rows, 1)]


def _csv_rows(text: str) -> list[dict[str, Any]]:
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))


def _json_rows(text: str, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            row = _parsed(line)
            if not isinstance(row, dict):
                raise ValueError(f"{name}, line {number}: is no JSON object")
            rows.append(row)
    return rows


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _message(row: dict[str, Any], where: str) -> Message:
    message = Message(
        str(row.get("text") or ""),
        row.get("intent") or None,
        row.get("route") or None,
        _frustration(row.get("frustration"), where),
    )
    labels = (message.intent, message.route, message.frustration)
    if not message.text or all(label is None for label in labels):
        raise ValueError(f"{where}: needs `text` and `intent` (or `route`, or `frustration`)")
    if message.route is not None and message.route not in ROUTES:
        raise ValueError(f"{where}: route {message.route!r} is none of {', '.join(ROUTES)}")
    return message


def _frustration(value: Any, where: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        share = float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{where}: frustration is {value!r}, not a number from 0 to 1")
    return share


def read_all(paths: Iterable[Path]) -> list[Message]:
    """All rows of all files, in order."""
    return [message for path in paths for message in read(path)]


def split(
    messages: Sequence[Message], share: float, seed: int
) -> tuple[list[Message], list[Message]]:
    """(train, held-out): `share` of every intent is held out, at least one row of three or more."""
    groups: dict[str | None, list[Message]] = defaultdict(list)
    for message in messages:
        groups[message.intent].append(message)
    train: list[Message] = []
    held: list[Message] = []
    chance = random.Random(seed)
    for group in groups.values():
        chance.shuffle(group)
        count = max(round(len(group) * share), 1 if len(group) >= 3 else 0)
        held += group[:count]
        train += group[count:]
    chance.shuffle(train)
    return train, held


def sha256(path: Path) -> str:
    """Hash of the file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
