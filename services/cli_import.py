"""An import: places listed, documents sent, progress shown, and what became of each."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from services import cli_common as common
from services.cli_library import Library, Row
from services.retrieval.sources.open import Fetching, open_source
from services.retrieval.sources.port import Content, Entry, Refused
from services.retrieval.sync import vanished
from shared.documents import ACCEPTED_TYPES, BINARY, TEXT_TYPES, version_of
from shared.errors import SwitchboardError

POLL_S = 0.5
MAX_REMOVED = 0.3  # a sync that would remove a larger share asks for --force


@dataclass(frozen=True)
class Options:
    """How to import."""

    timeout_s: float
    sync: bool = False
    force: bool = False
    again: bool = False
    fetching: Fetching = field(default_factory=Fetching)


@dataclass
class Report:
    """What became of each file."""

    sent: dict[str, str] = field(default_factory=dict)  # id → name
    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)  # (file or id, why)

    def fail(self, what: object, reason: str) -> None:
        """One failure; the rest goes on."""
        self.failed.append((str(what), reason))

    def headline(self, sync: bool) -> str:
        """The sums."""
        text = f"{self.indexed} indexed, {self.unchanged} unchanged, {len(self.failed)} failed"
        return f"{text}, {self.removed} removed" if sync else text

    def close(self, headline: str) -> None:
        """Say how it went; exit code 1 if anything failed."""
        common.say(headline)
        for what, reason in self.failed:
            common.complain(f"{what}: {reason}")
        if self.failed:
            raise typer.Exit(1)


class Import:
    """One run of `knowledge add`."""

    def __init__(self, library: Library, options: Options) -> None:
        self._library = library
        self._options = options
        self._id = f"cli-{uuid.uuid4().hex[:12]}"
        self._report = Report()
        self._taken: dict[str, str] = {}  # id → name, over all places
        self._polled_s = 0.0

    def run(self, places: Sequence[str]) -> Report:
        """Import every place; failures are in the report, by name and reason."""
        with _progress() as progress:
            bars = {name: progress.add_task(name, total=0) for name in ("sent", "prepared", "done")}
            have = self._library.listed()
            for place in places:
                try:
                    self._place(place, have, progress, bars)
                except Refused as refused:
                    self._report.fail(refused.name, refused.reason)
            self._wait(progress, bars)
        return self._report

    def _place(
        self, place: str, have: Mapping[str, Row], progress: Progress, bars: Mapping[str, TaskID]
    ) -> None:
        with open_source(place, self._options.fetching) as source:
            listed = list(source.entries())
            entries = list(self._accepted(listed))
            total = (progress.tasks[bars["sent"]].total or 0) + len(entries)
            progress.update(bars["sent"], total=total)
            for entry in entries:
                self._send(entry, place, have.get(entry.id, {}))
                progress.advance(bars["sent"])
                self._show(progress, bars)
        if not listed:
            self._report.fail(place, "holds no documents")
        if self._options.sync:
            self._remove(place, have, {entry.id for entry in entries})

    def _accepted(self, listed: Sequence[Entry | Refused]) -> Iterator[Entry]:
        for entry in listed:
            if isinstance(entry, Refused):
                self._report.fail(entry.name, entry.reason)
            elif entry.id in self._taken:
                same = self._taken[entry.id]
                self._report.fail(entry.name, f"has the same id, {entry.id}, as {same}")
            else:
                self._taken[entry.id] = entry.name
                yield entry

    def _send(self, entry: Entry, place: str, row: Row) -> None:
        try:
            content = entry.read()
            version = version_of(content.data, source=content.source)
            is_known = row.get("state") == "indexed" and row.get("version") == version
            if is_known and not self._options.again:
                self._report.unchanged += 1
                return
            self._put(entry, content, place)
            self._report.sent[entry.id] = entry.name
        except Refused as refused:
            self._report.fail(refused.name, refused.reason)
        except SwitchboardError as error:
            self._report.fail(entry.name, str(error))

    def _put(self, entry: Entry, content: Content, place: str) -> None:
        facts: dict[str, str | int] = {
            "name": entry.name,
            "source": content.source,
            "updated_unix_ms": content.updated_unix_ms,
            "collection": place,
            "ingestion_id": self._id,
            "again": self._options.again,
        }
        kind = content.media_type or BINARY
        if kind not in ACCEPTED_TYPES or (kind in TEXT_TYPES and not _is_text(content)):
            kind = BINARY  # what it really is, the reader finds out
        self._library.put(entry.id, content.data, kind, facts, self._options.timeout_s)

    def _remove(self, place: str, have: Mapping[str, Row], listed: set[str]) -> None:
        brought = [name for name, row in have.items() if row.get("collection") == place]
        share = 1.0 if self._options.force else MAX_REMOVED
        gone, objection = vanished(brought, listed, share)
        if objection:
            self._report.fail(place, f"{objection}; --force removes them")
        for document_id in gone:
            try:
                self._library.remove(document_id)
                self._report.removed += 1
            except SwitchboardError as error:
                self._report.fail(document_id, str(error))

    def _wait(self, progress: Progress, bars: Mapping[str, TaskID]) -> None:
        """Until everything that was sent has come to something, or nothing moves any more."""
        last, moved_s = "", time.monotonic()
        while self._report.sent:
            found = self._show(progress, bars, now=True)
            if found["done"] and found["total"] >= len(self._report.sent):
                return self._settle(found)
            if str(found["counts"]) != last:
                last, moved_s = str(found["counts"]), time.monotonic()
            elif time.monotonic() - moved_s > self._options.timeout_s:
                self._settle(found)
                self._give_up(found)
                return None
            time.sleep(POLL_S)
        return None

    def _show(self, progress: Progress, bars: Mapping[str, TaskID], now: bool = False) -> Row:
        """The bars as they are now; asks the system at most every POLL_S."""
        if not self._report.sent or (not now and time.monotonic() - self._polled_s < POLL_S):
            return {}
        self._polled_s = time.monotonic()
        found = self._library.ingestion(self._id)
        counts = found["counts"]
        done = counts["indexed"] + counts["unchanged"] + counts["rejected"]
        progress.update(bars["prepared"], completed=done + counts["prepared"], total=found["total"])
        progress.update(bars["done"], completed=done, total=found["total"])
        return found

    def _settle(self, found: Row) -> None:
        self._report.indexed += found["counts"]["indexed"]
        self._report.unchanged += found["counts"]["unchanged"]
        for row in found["rejected"]:
            self._report.fail(row["name"] or row["id"], f"rejected: {row['reason']}")

    def _give_up(self, found: Row) -> None:
        left = found["counts"]["submitted"] + found["counts"]["prepared"]
        waited = f"not indexed after {self._options.timeout_s:.0f} s without progress"
        self._report.fail(
            f"{left} documents", f"taken, but {waited}: `knowledge status` lists them"
        )


def _is_text(content: Content) -> bool:
    try:
        content.data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=common.notes())
