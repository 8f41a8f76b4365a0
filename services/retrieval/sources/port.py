"""What every source promises."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

MAX_DOCUMENT_BYTES = 5 * 1024 * 1024  # what the gateway takes by default
MAX_ENTRIES = 20_000


@dataclass(frozen=True)
class Content:
    """A file as it is, and what its source knows about it."""

    data: bytes
    media_type: str = ""
    source: str = ""  # URL for people to open
    updated_unix_ms: int = 0


class Refused(Exception):
    """Something in a source that cannot be taken: its name and the reason, for a person."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Entry:
    """One document of a source. `read` raises Refused."""

    id: str
    name: str
    read: Callable[[], Content]


class Source(Protocol):
    """A place with documents. Listing is cheap; reading happens one entry at a time."""

    @property
    def collection(self) -> str:
        """The place as it was named; documents remember it."""
        ...

    def entries(self) -> Iterator[Entry | Refused]:
        """Every document in a fixed order, and what cannot be one. Ids are unique.

        Raises Refused when the place itself cannot be read.
        """
        ...


def unique(entries: Iterator[Entry | Refused]) -> Iterator[Entry | Refused]:
    """The same, with entries refused that have no id or that of an earlier one, or are too many."""
    taken: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Refused):
            yield entry
        elif not entry.id:
            yield Refused(entry.name, "its name makes no document id; rename it")
        elif entry.id in taken:
            yield Refused(entry.name, f"has the same id, {entry.id}, as {taken[entry.id]}")
        elif len(taken) >= MAX_ENTRIES:
            yield Refused(entry.name, f"is beyond the first {MAX_ENTRIES:,}: split the source")
            return
        else:
            taken[entry.id] = entry.name
            yield entry
