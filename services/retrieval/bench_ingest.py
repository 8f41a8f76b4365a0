"""`make bench-ingest`: how fast documents go in, how much memory that takes, what questions notice.

    python -m services.retrieval.bench_ingest [--documents N]

As in service, a process of its own reads, cuts and embeds (that of Celery, `nice` 10), and this one
writes the index and answers. First, chunks of 200 tokens are embedded alone. Then N short documents
are ingested while a question is asked every 50 ms; memory is looked at four times.
"""

import argparse
import asyncio
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.queues import Queue

import numpy as np

from services.retrieval.adapters import StoreIndex
from services.retrieval.documents import prepare
from services.retrieval.evaluate import TENANT
from services.retrieval.reading.sandbox import SandboxReader
from services.retrieval.search import DENSE_WEIGHT, Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings import open_embedder
from shared.events import DocumentPrepared, DocumentSubmitted
from shared.settings import Settings, load
from shared.vectors import Query, open_vectors

CHUNKS = 128  # of 200 tokens each
CHUNK_TOKENS = 200
WAITING = 8  # prepared documents between the two processes
PAUSE_S = 0.05
LOOKS = 4  # at memory
WORDS = "parcel refund machine grinder delivery filter voucher battery button account".split()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=500)
    count = max(LOOKS, parser.parse_args().documents)
    settings = load(Settings)
    print(f"{os.cpu_count()} cores, {settings.embedder_url}")
    print(f"embedding alone: {embedding_rate(settings):.1f} chunks/s of {CHUNK_TOKENS} tokens")
    asyncio.run(ingest(count, settings))
    return 0


def embedding_rate(settings: Settings) -> float:
    """Chunks of 200 tokens a second, with the job's threads."""
    embedder = open_embedder(settings.embedder_url, threads=load(RetrievalSettings).job_threads)
    texts = [text_of(number, CHUNK_TOKENS - 2) for number in range(CHUNKS)]
    embedder.embed(texts[:16])
    started_s = time.perf_counter()
    embedder.embed(texts)
    return CHUNKS / (time.perf_counter() - started_s)


def text_of(number: int, words: int) -> str:
    """A text of its own for each number, about a token a word."""
    chosen = np.random.default_rng(number).choice(WORDS, words)
    return " ".join([*chosen[:-1], str(number)])


async def ingest(count: int, settings: Settings) -> None:
    """Ingest `count` documents, ask meanwhile, print rate, memory and latency."""
    embedder = open_embedder(settings.embedder_url, threads=settings.cpu_threads)
    store = open_vectors("edge:", dimensions=embedder.dimensions)
    searcher = Searcher(embedder, store)
    timeout_s = load(RetrievalSettings).index_timeout_s
    index = StoreIndex(store, embedder.name, timeout_s, searcher.learn)
    asker = Asker(searcher)
    context = multiprocessing.get_context("spawn")
    prepared: Queue[DocumentPrepared | None] = context.Queue(WAITING)
    worker = context.Process(target=_prepare_all, args=(count, prepared), daemon=True)
    try:
        worker.start()
        first = await asyncio.to_thread(prepared.get)  # the worker's start is over
        assert first is not None
        await index.replace(first)
        quiet = asker.ask_for(2.0)
        asker.start()
        started_s, done = time.perf_counter(), 1
        while (event := await asyncio.to_thread(prepared.get)) is not None:
            await index.replace(event)
            done += 1
            if done % (count // LOOKS) == 0:
                print(f"{done:>7} documents: worker {_mb(worker.pid)}, index {_mb(os.getpid())}")
        took_s = time.perf_counter() - started_s
        busy = asker.stop()
    finally:
        worker.kill()
        worker.join()
        index.close()
        store.close()
    print(f"{(done - 1) / took_s:.1f} documents/s")
    print(f"search alone:     {_percentiles(quiet)}")
    print(f"search meanwhile: {_percentiles(busy)}")


def _prepare_all(count: int, prepared: "Queue[DocumentPrepared | None]") -> None:
    """In the worker: what `jobs.prepare_document` does, for documents made on the spot."""
    settings, retrieval = load(Settings), load(RetrievalSettings)
    os.nice(retrieval.job_nice)
    embedder = open_embedder(settings.embedder_url, threads=retrieval.job_threads)
    with SandboxReader(settings.embedder_url, retrieval.read_limits) as reader:
        for event in documents(count):
            prepared.put(prepare(event, reader, embedder, retrieval.chunk_tokens))
    prepared.put(None)
    prepared.close()
    prepared.join_thread()


def documents(count: int) -> Iterator[DocumentSubmitted]:
    """Short documents, one or two chunks each."""
    for number in range(count):
        body = text_of(number, 40 + number % 200)
        yield DocumentSubmitted(
            tenant_id=TENANT,
            document_id=f"d{number}",
            version="1",
            content=f"# Document {number}\n\n{body}\n",
            submitted_unix_ms=number,
        )


class Asker:
    """Asks one question after another in a thread and notes how long each took."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher
        self._took_ms: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._ask_on)

    def start(self) -> None:
        """Ask until `stop`."""
        self._thread.start()

    def stop(self) -> list[float]:
        """End; milliseconds of each question."""
        self._stopping.set()
        self._thread.join()
        return self._took_ms

    def ask_for(self, duration_s: float) -> list[float]:
        """Ask for so long in this thread."""
        until_s = time.monotonic() + duration_s
        took: list[float] = []
        while time.monotonic() < until_s:
            took.append(self._ask(len(took)))
            time.sleep(PAUSE_S)
        return took

    def _ask_on(self) -> None:
        while not self._stopping.wait(PAUSE_S):
            self._took_ms.append(self._ask(len(self._took_ms)))

    def _ask(self, number: int) -> float:
        started_s = time.perf_counter()
        question = text_of(number, 10)
        self._searcher.search(Query(TENANT, question, dense_weight=DENSE_WEIGHT), rerank=False)
        return 1000 * (time.perf_counter() - started_s)


def _mb(pid: int | None) -> str:
    """Resident memory now, and the most so far."""
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        rows = dict(line.split(":", 1) for line in status)
    now, most = (int(rows[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM"))
    return f"{now} MB (peak {most} MB)"


def _percentiles(took_ms: Sequence[float]) -> str:
    p50, p95 = np.percentile(took_ms, [50, 95]) if len(took_ms) else (0.0, 0.0)
    return f"p50 {p50:.1f} ms, p95 {p95:.1f} ms ({len(took_ms)} questions)"


if __name__ == "__main__":
    sys.exit(main())
