"""After a restart nothing of the documents is in memory: learn it again before it is needed.

Searching needs the words and headlines of whatever it finds (`Searcher.learn`), and reads them when
first met, in a customer's time. So a tenant's first question sets a thread going that reads all of
its documents, resting as long as it works: at most half a core, and never in the way of a question.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from shared.errors import Unavailable
from shared.vectors import Chunk, VectorStore

log = logging.getLogger(__name__)


class Warmer:
    """Learns a tenant's documents once. `hear` is thread-safe and returns at once."""

    def __init__(self, store: VectorStore, learn: Callable[[Sequence[Chunk]], None]) -> None:
        self._store = store
        self._learn = learn
        self._heard: set[str] = set()
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="warming", daemon=True)
        self._thread.start()

    def hear(self, tenant_id: str) -> None:
        """Somebody asks this tenant something."""
        if tenant_id not in self._heard:
            self._heard.add(tenant_id)
            self._waiting.put(tenant_id)

    def close(self) -> None:
        """Stop after the document that is being learnt, so that the store can be closed."""
        self._closing.set()
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (tenant_id := self._waiting.get()) is not None and not self._closing.is_set():
            try:
                self._learn_all(tenant_id)
            except Unavailable as error:
                self._heard.discard(tenant_id)  # the next question tries again
                log.warning("documents not learnt yet: %s", error)

    def _learn_all(self, tenant_id: str) -> None:
        for document_id in self._store.versions(tenant_id):
            started = time.monotonic()
            self._learn(self._store.chunks_of(tenant_id, document_id))
            if self._closing.wait(time.monotonic() - started):
                return
