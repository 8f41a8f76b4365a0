"""What `ThreadedSubscription` needs of a client library, and what it tells it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from shared.bus.port import Message
from shared.bus.progress import Lane


class Ownership(Protocol):
    """What a source must tell when partitions come and go; safe from any thread."""

    def assigned(self, lanes: Iterable[Lane]) -> None:
        """These lanes are ours from now on."""
        ...

    def located(self, positions: Mapping[Lane, int]) -> None:
        """Reading of these lanes begins here; for sources that know at once."""
        ...

    def pending(self) -> Mapping[Lane, int]:
        """What is worth committing before lanes are given away."""
        ...

    def revoked(self, lanes: Iterable[Lane]) -> None:
        """These lanes are somebody else's from now on."""
        ...


class Source(Protocol):
    """One client library's consumer. Used by the poll thread alone."""

    def open(self, owner: Ownership) -> None:
        """Connect and subscribe. May be called again after a failure."""
        ...

    def poll(self, most: int, timeout_s: float) -> Sequence[Message]: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...

    def joined(self) -> bool:
        """Whether partitions were dealt, if perhaps none to us."""
        ...

    def positions(self, lanes: Sequence[Lane]) -> Mapping[Lane, int]:
        """Where reading of lanes begins; those known by now."""
        ...

    def commit(self, offsets: Mapping[Lane, int]) -> None:
        """Begin to commit; `committed` says when it is over."""
        ...

    def committed(self) -> Mapping[Lane, int] | None:
        """The offsets of the commit that ended since the last call; empty if it failed."""
        ...

    def commit_now(self, offsets: Mapping[Lane, int]) -> None: ...
    def close(self) -> None: ...

    def passes(self, error: Exception) -> bool:
        """Whether waiting can help."""
        ...
