"""A subscription on a client library that blocks: a thread that polls, an iterator that delivers.

The thread polls without a break, so its member stays in the group however long handlers take: at
`max_in_flight` messages out it pauses its partitions and goes on polling. Messages cross to the
event loop in batches; what is done crosses back in a queue.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

from shared.bus.port import Message
from shared.bus.progress import Lane, Ledger
from shared.bus.source import Source
from shared.errors import Unavailable

log = logging.getLogger(__name__)

POLL_S = 0.2  # a message ends the wait; shorter only burns CPU
# While full: long enough to take part in a rebalance (10 ms were not), with waits in between that
# end as soon as something is done.
ROOM_WAIT_S = 0.4
COMMIT_EVERY_S = 0.2
COMMIT_PATIENCE_S = 5.0  # then an unanswered commit no longer holds up the next
RETRY_S = 0.5
EMPTY_HANDED_S = 1.0
CLOSE_TIMEOUT_S = 15.0
CLOCK_SKEW_MS = 10_000  # between whoever stamps a message and us


class ThreadedSubscription:
    """A member of a group, or with `commits=False` a reader of its own."""

    def __init__(
        self, source: Source, topics: Sequence[str], max_in_flight: int, *, commits: bool
    ) -> None:
        self._source = source
        self._topics = list(topics)
        self._max_in_flight = max_in_flight
        self._commits = commits
        self._loop = asyncio.get_running_loop()
        self._ready: deque[Message] = deque()
        self._arrived = asyncio.Event()
        self._positioned = asyncio.Event()
        self._failure: BaseException | None = None
        self._closed = False
        # Shared with the poll thread (and the client's own, which calls `Ownership`):
        self._ledger = Ledger()
        self._lock = threading.Lock()  # guards the ledger; never held while calling the source
        self._finished: deque[tuple[Lane, int]] = deque()
        self._room = threading.Event()
        self._stopping = threading.Event()
        self._dealt_unix_ms: dict[Lane, float] = {}  # read on the loop, a moment old at worst
        # Of the poll thread alone:
        self._held = False
        self._joined_at_s: float | None = None
        self._commit_begun_s: float | None = None
        self._commit_due_s = 0.0
        self._thread = threading.Thread(target=self._run, name="bus-poll", daemon=True)
        self._thread.start()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """Raises whatever ended the poll thread; StopAsyncIteration after `close`."""
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        raise StopAsyncIteration

    def is_fresh(self, message: Message) -> bool:
        """Whether it was sent after its partition was dealt to us, by whatever clock."""
        since_ms = self._dealt_unix_ms.get(Lane(message.topic, message.partition))
        return since_ms is not None and message.timestamp_ms > since_ms + CLOCK_SKEW_MS

    def done(self, message: Message) -> None:
        """Mark one message finished."""
        self._finished.append((Lane(message.topic, message.partition), message.offset))
        self._room.set()

    async def positioned(self, timeout_s: float) -> None:
        """Return once partitions are dealt and it is fixed where reading begins."""
        try:
            await asyncio.wait_for(self._positioned.wait(), timeout_s)
        except TimeoutError:
            raise Unavailable(f"no partitions of {self._topics} within {timeout_s} s") from None

    async def close(self) -> None:
        """Commit what is done and leave the group."""
        self._closed = True
        self._arrived.set()
        self._stopping.set()
        self._room.set()
        await asyncio.to_thread(self._thread.join, CLOSE_TIMEOUT_S)

    # --- Ownership: called by the source, on whatever thread the client uses
    def assigned(self, lanes: Iterable[Lane]) -> None:
        """New lanes: where reading begins is found out after the poll."""
        with self._lock:
            for lane in lanes:
                self._ledger.assign(lane)
                self._dealt_unix_ms[lane] = time.time() * 1000

    def located(self, positions: Mapping[Lane, int]) -> None:
        """Where reading begins."""
        with self._lock:
            self._ledger.locate(positions)

    def pending(self) -> Mapping[Lane, int]:
        """What is done and not committed."""
        with self._lock:
            self._settle()
            return self._ledger.pending() if self._commits else {}

    def revoked(self, lanes: Iterable[Lane]) -> None:
        """What is still out of these lanes no longer counts, and what waits is dropped."""
        gone = frozenset(lanes)
        with self._lock:
            self._ledger.revoke(gone)
            for lane in gone:
                self._dealt_unix_ms.pop(lane, None)
        self._on_loop(self._drop, gone)

    # --- the poll thread
    def _run(self) -> None:
        error: BaseException = RuntimeError("the poll thread ended")  # whatever happens below
        try:
            self._connect()
            while not self._stopping.is_set():
                self._turn()
            if offsets := self.pending():
                self._source.commit_now(offsets)
        except BaseException as raised:
            error = raised
            log.warning("the poll thread ends", exc_info=raised)
        finally:
            self._on_loop(self._fail, error)  # after `close` nobody asks
            self._leave()

    def _connect(self) -> None:
        while not self._stopping.is_set():
            try:
                self._source.open(self)
                return
            except Exception as error:
                self._wait_out(error)

    def _turn(self) -> None:
        try:
            self._commit_when_due()
            room = self._room_left()
            if room <= 0:
                room = self._await_room()
            self._deliver(self._source.poll(max(room, 1), POLL_S))
            self._locate()
        except Exception as error:
            self._wait_out(error)

    def _wait_out(self, error: Exception) -> None:
        if not self._source.passes(error):
            raise error
        log.warning("not now: %s: %s", type(error).__name__, error)
        self._stopping.wait(RETRY_S)

    def _room_left(self) -> int:
        self._room.clear()
        with self._lock:
            self._settle()
            room = self._max_in_flight - self._ledger.in_flight
        if room > 0 and self._held:
            self._source.resume()
            self._held = False
        return room

    def _await_room(self) -> int:
        """Most often something is done in a moment; if not, pause and go on polling."""
        self._room.wait(ROOM_WAIT_S)
        if (room := self._room_left()) <= 0:
            self._source.pause()
            self._held = True
        return room

    def _settle(self) -> None:
        while self._finished:
            self._ledger.done(*self._finished.popleft())

    def _deliver(self, messages: Sequence[Message]) -> None:
        if not messages:
            return
        with self._lock:
            held = self._ledger.lanes
            ours = [m for m in messages if Lane(m.topic, m.partition) in held]
            for message in ours:
                self._ledger.delivered(Lane(message.topic, message.partition), message.offset)
        self._on_loop(self._receive, ours)

    def _locate(self) -> None:
        with self._lock:
            unlocated = self._ledger.unlocated()
        if unlocated:
            positions = self._source.positions(unlocated)
            with self._lock:
                self._ledger.locate(positions)
                unlocated = self._ledger.unlocated()
        if not unlocated and not self._positioned.is_set() and self._is_dealt():
            self._on_loop(self._positioned.set)

    def _is_dealt(self) -> bool:
        """A moment without partitions is part of every rebalance; a while means: none for us."""
        if not self._source.joined():
            return False
        self._joined_at_s = self._joined_at_s or time.monotonic()
        empty_handed = time.monotonic() - self._joined_at_s > EMPTY_HANDED_S
        return bool(self._ledger.lanes) or empty_handed

    def _commit_when_due(self) -> None:
        now_s = time.monotonic()
        if not self._commits or now_s < self._commit_due_s:
            return
        self._commit_due_s = now_s + COMMIT_EVERY_S
        if self._commit_begun_s is not None:
            offsets = self._source.committed()
            if offsets is None and now_s - self._commit_begun_s < COMMIT_PATIENCE_S:
                return
            self._commit_begun_s = None
            with self._lock:
                self._ledger.committed(offsets or {})
        if pending := self.pending():
            self._commit_begun_s = now_s
            self._source.commit(pending)

    def _leave(self) -> None:
        try:
            self._source.close()
        except Exception as error:
            log.warning("left the group without a word: %s", type(error).__name__)

    # --- on the event loop
    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *arguments)

    def _receive(self, messages: list[Message]) -> None:
        self._ready.extend(messages)
        self._arrived.set()

    def _drop(self, lanes: frozenset[Lane]) -> None:
        self._ready = deque(m for m in self._ready if Lane(m.topic, m.partition) not in lanes)

    def _fail(self, error: BaseException) -> None:
        self._failure = error
        self._arrived.set()
