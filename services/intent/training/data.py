"""Labelled messages from CSV or JSONL files."""

import csv
import hashlib
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

    Raises:
        ValueError: a row without text, without any label, with an unknown route or a frustration
            outside 0–1.
    """
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".csv":
            rows = list(csv.DictReader(file))
        else:
            rows = [json.loads(line) for line in file if line.strip()]
    return [_message(row, f"{path.name}, row {number}") for number, row in enumerate(rows, 1)]


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
