"""One turn as a waterfall in the terminal, from the spans that every process writes to a file."""

import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

BAR_WIDTH = 36


@dataclass(frozen=True)
class Span:
    """A piece of work of one service."""

    trace: str
    service: str
    name: str
    start_ns: int
    end_ns: int
    ok: bool
    hop_ms: float | None  # between the broker's time stamp and the start of the handler
    outcome: str


def _span(row: dict[str, Any]) -> Span:
    attributes = row.get("attributes", {})
    return Span(
        row["trace"], str(row.get("service", "")), row["name"], row["start_ns"], row["end_ns"],
        bool(row.get("ok", True)), attributes.get("hop_ms"), str(attributes.get("outcome", "")),
    )  # fmt: skip


def read_spans(folder: Path) -> Iterator[Span]:
    """Every span on file; a line that is still being written is passed over."""
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    yield _span(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    continue


def trace_id(turn: str) -> str:
    """A turn's trace id. Raises ValueError when `turn` is not a turn id."""
    return uuid.UUID(turn.strip()).hex


def latest_trace(spans: Iterable[Span]) -> str | None:
    """The trace of the newest turn that a customer started."""
    doors = [span for span in spans if span.name.startswith("safety.")]
    return max(doors, key=lambda span: span.start_ns).trace if doors else None


def path_of(spans: Iterable[Span], trace: str) -> list[Span]:
    """The spans of one turn in the order they began."""
    return sorted((s for s in spans if s.trace == trace), key=lambda s: (s.start_ns, -s.end_ns))


def bar(start: float, length: float, width: int = BAR_WIDTH) -> str:
    """A bar for a share of the whole: `start` and `length` between 0 and 1."""
    left = min(width - 1, round(start * width))
    return " " * left + "█" * max(1, min(width - left, round(length * width)))


def draw(path: list[Span]) -> Table:
    """The waterfall."""
    first, last = path[0].start_ns, max(span.end_ns for span in path)
    whole = max(1, last - first)
    table = Table(title=f"turn {uuid.UUID(path[0].trace)}: {whole / 1e6:.1f} ms, {len(path)} steps")
    for heading in ("service", "step", "start ms", "waited ms", "took ms", "", ""):
        table.add_column(heading, justify="right" if heading.endswith("ms") else "left")
    for span in path:
        took = span.end_ns - span.start_ns
        table.add_row(
            span.service,
            span.name.removeprefix(f"{span.service}."),
            f"{(span.start_ns - first) / 1e6:.1f}",
            "" if span.hop_ms is None else f"{span.hop_ms:.1f}",
            f"{took / 1e6:.1f}",
            f"[{'cyan' if span.ok else 'red'}]{bar((span.start_ns - first) / whole, took / whole)}",
            "" if span.outcome in ("", "ok") else span.outcome,
        )
    return table
