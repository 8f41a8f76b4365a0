"""Which offsets may be committed: the arithmetic of at-least-once, without any I/O.

Messages of a partition go out in order and come back in any order. What may be committed is the
offset of the oldest one that is not done yet; a crash then repeats everything unfinished.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Lane(NamedTuple):
    """One partition of one topic; messages in it have an order."""

    topic: str
    partition: int


class Progress:
    """One lane: what is out, and how far everything is done. Offsets may have gaps (compaction)."""

    def __init__(self, position: int | None = None) -> None:
        self._open: OrderedDict[int, None] = OrderedDict()  # delivered, not done; ascending
        self._next = position

    def __len__(self) -> int:
        return len(self._open)

    @property
    def watermark(self) -> int | None:
        """Everything below it is done. None as long as nothing is known."""
        return next(iter(self._open), self._next)

    def locate(self, position: int) -> None:
        """Reading begins at `position`, unless it has begun already."""
        if self._next is None:
            self._next = position

    def delivered(self, offset: int) -> None:
        """A message went out to a handler."""
        if self._next is not None and offset < self._next:
            self._open.clear()  # the log was read again from further back: all of it comes again
        self._open[offset] = None
        self._next = offset + 1

    def done(self, offset: int) -> bool:
        """A message is finished; False if it was not out (again)."""
        if offset not in self._open:
            return False
        del self._open[offset]
        return True


class Ledger:
    """All lanes that one member of a group holds right now.

    A lane that was taken away is forgotten at once: what its old messages still do changes nothing
    here, so the old owner can never commit past the new one.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, Progress] = {}
        self._committed: dict[Lane, int] = {}

    @property
    def in_flight(self) -> int:
        """Messages that are out and not done, over all lanes."""
        return sum(map(len, self._lanes.values()))

    @property
    def lanes(self) -> frozenset[Lane]:
        """The lanes held."""
        return frozenset(self._lanes)

    def assign(self, lane: Lane, position: int | None = None, committed: int | None = None) -> None:
        """Take over a lane that is read from `position`; `committed` is what the group knows."""
        self._lanes[lane] = Progress(position)
        self._committed.pop(lane, None)
        if committed is not None:
            self._committed[lane] = committed

    def unlocated(self) -> list[Lane]:
        """Lanes nobody knows the reading position of yet."""
        return [lane for lane, progress in self._lanes.items() if progress.watermark is None]

    def locate(self, positions: Mapping[Lane, int]) -> None:
        """Reading of these lanes begins here."""
        for lane, position in positions.items():
            if lane in self._lanes:
                self._lanes[lane].locate(position)

    def revoke(self, lanes: Iterable[Lane]) -> None:
        """Give lanes away. Commit what is `pending` before."""
        for lane in lanes:
            self._lanes.pop(lane, None)
            self._committed.pop(lane, None)

    def delivered(self, lane: Lane, offset: int) -> None:
        """A message of a lane went out."""
        self._lanes.setdefault(lane, Progress()).delivered(offset)

    def done(self, lane: Lane, offset: int) -> bool:
        """A message is finished; False when its lane belongs to somebody else now."""
        progress = self._lanes.get(lane)
        return progress is not None and progress.done(offset)

    def pending(self) -> dict[Lane, int]:
        """Offsets worth committing: watermarks that moved since the last commit."""
        marks = {lane: progress.watermark for lane, progress in self._lanes.items()}
        return {
            lane: mark
            for lane, mark in marks.items()
            if mark is not None and mark != self._committed.get(lane)
        }

    def committed(self, offsets: Mapping[Lane, int]) -> None:
        """The broker has these offsets."""
        for lane, offset in offsets.items():
            if lane in self._lanes:
                self._committed[lane] = offset
