"""What was accepted or said while the broker was away: durable, encrypted, in order.

One SQLite file per process under VAR_DIR/outbox, held by a lock. A process that starts takes over
the files of processes that are gone, so a `kill -9` loses nothing that was accepted.
"""

import asyncio
import fcntl
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Annotated, TypeVar

from pydantic import Field, TypeAdapter

from services.gateway.rooms import Key
from shared import metrics
from shared.errors import InvalidEvent, Overloaded
from shared.events import Answered, Received
from shared.vault import Cipher

log = logging.getLogger(__name__)

T = TypeVar("T")

Kept = Received | Answered  # a question to be answered, or an answer that was given already

# The fields tell them apart: what lacks an origin and a route is a question.
_KEPT: TypeAdapter[Kept] = TypeAdapter(
    Annotated[Answered | Received, Field(union_mode="left_to_right")]
)

_OLDEST_FIRST = "SELECT number, event FROM outbox ORDER BY number"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL)
"""


class Outbox:
    """A bounded queue on disk."""

    def __init__(self, directory: Path, instance: str, cipher: Cipher, limit: int) -> None:
        """Open this process's file and take over those that nobody holds."""
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cipher = cipher
        self._limit = limit
        self._path = directory / f"{instance}.sqlite"
        self._held = _hold(self._path)
        self._database = _open(self._path)
        self._adopt(directory)
        self._waiting = Counter(_key(event) for _, event in self._rows())
        self._lock = asyncio.Lock()
        metrics.OUTBOX.set(len(self))

    def __len__(self) -> int:
        return self._waiting.total()

    def holds(self, key: Key) -> bool:
        """Whether earlier messages of this conversation still wait: later ones must queue up."""
        return self._waiting[key] > 0

    async def put(self, event: Kept) -> None:
        """Keep an event; on disk when this returns. Raises Overloaded when full."""
        if len(self) >= self._limit:
            raise Overloaded("the outbox is full", retry_after_s=10)
        blob = self._cipher.encrypt(event.model_dump_json().encode())
        self._waiting[_key(event)] += 1
        await self._run(lambda: _insert(self._database, blob))
        metrics.OUTBOX.set(len(self))

    async def oldest(self) -> tuple[int, Kept] | None:
        """The event to send next, with its number."""
        return await self._run(lambda: next(self._rows(), None))

    async def drop(self, number: int, event: Kept) -> None:
        """The broker has it now."""
        await self._run(lambda: _delete(self._database, number))
        self._waiting[_key(event)] -= 1
        self._waiting += Counter()  # forget zeros
        metrics.OUTBOX.set(len(self))

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._lock:
            return await asyncio.to_thread(work)

    def _rows(self) -> Iterator[tuple[int, Kept]]:
        for number, blob in self._database.execute(_OLDEST_FIRST):
            try:
                event = _KEPT.validate_json(self._cipher.decrypt(blob))
            except InvalidEvent:
                log.error("outbox: message %d was written under another SECRET_KEY", number)
                continue  # it stays on disk for whoever has the key
            yield number, event

    def _adopt(self, directory: Path) -> None:
        for path in sorted(directory.glob("*.sqlite")):
            if path == self._path:
                continue
            try:
                held = _hold(path)
            except BlockingIOError:
                continue  # its process lives
            orphan = _open(path)
            for _, blob in orphan.execute(_OLDEST_FIRST).fetchall():
                _insert(self._database, blob)
            orphan.close()
            _remove(path)
            held.close()

    def close(self) -> None:
        """Let go; an empty file is removed."""
        empty = self._database.execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is None
        self._database.close()
        if empty:
            _remove(self._path)
        self._held.close()


def _key(event: Kept) -> Key:
    return event.tenant_id, event.conversation_id


def _hold(path: Path) -> IO[bytes]:
    file = path.with_suffix(".lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    path.chmod(0o600)
    database.execute("PRAGMA synchronous=FULL")
    database.execute(_SCHEMA)
    return database


def _insert(database: sqlite3.Connection, blob: bytes) -> None:
    database.execute("INSERT INTO outbox (event) VALUES (?)", (blob,))


def _delete(database: sqlite3.Connection, number: int) -> None:
    database.execute("DELETE FROM outbox WHERE number = ?", (number,))


def _remove(path: Path) -> None:
    for suffix in (".sqlite", ".sqlite-journal", ".lock"):
        path.with_suffix(suffix).unlink(missing_ok=True)
