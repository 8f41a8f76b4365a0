"""`make bench-retrieval`: how long each step of a search takes, one question at a time.

    python -m services.retrieval.bench --kb FOLDER [--queries FILE]

Without a file of queries the titles of the documents are asked. Documents are embedded once and
kept in `var/embeddings`. Every model is warm, and so are words and headlines: the service computes
them when it indexes a document, and again after a restart (`warming.py`).
"""

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from services.retrieval.datasets import Document, read_documents, read_queries
from services.retrieval.evaluate import TENANT, filled
from services.retrieval.rerank import open_reranker
from services.retrieval.search import DENSE_WEIGHT, Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings import open_embedder
from shared.settings import Settings, load
from shared.vectors import Query

QUESTIONS = 500  # at most
MANY_CHUNKS = 10_000  # what the goals are set for
STEPS = ("embed", "search", "words", "headlines", "rerank", "all")


def measure(searcher: Searcher, questions: Iterable[str]) -> dict[str, list[float]]:
    """Milliseconds of each step, and of all of them, per question; a step not taken is left out."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    for text in questions:
        started = time.perf_counter()
        result = searcher.search(Query(TENANT, text, dense_weight=DENSE_WEIGHT))
        took["all"].append(1000 * (time.perf_counter() - started))
        for step, duration_ms in result.timings_ms.items():
            took[step].append(duration_ms)
    return dict(took)


def table(took: Mapping[str, Sequence[float]], chunks: int) -> str:
    """The report for people."""
    lines = [f"{len(took['all'])} questions, {chunks} chunks, {os.cpu_count()} cores"]
    if chunks < MANY_CHUNKS:
        lines.append(f"fewer than {MANY_CHUNKS} chunks: give a larger folder with KB=")
    lines.append(f"{'':<12}{'times':>8}{'p50_ms':>10}{'p95_ms':>10}")
    for step in STEPS:
        if step in took:
            p50, p95 = np.percentile(took[step], [50, 95])
            lines.append(f"{step:<12}{len(took[step]):>8}{p50:>10.1f}{p95:>10.1f}")
    return "\n".join(lines)


def questions_of(documents: Sequence[Document], kb: Path, queries: Path | None) -> list[str]:
    """The queries of a file, else the documents' titles."""
    if queries is None:
        return [document.pieces[0].title for document in documents][:QUESTIONS]
    known = [document.id for document in documents]
    return [query.text for query in read_queries(queries, kb, known)][:QUESTIONS]


def main() -> int:
    """Fill a store, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kb", type=Path, required=True)
    parser.add_argument("--queries", type=Path)
    given = parser.parse_args()
    settings = load(Settings)
    threads = max(settings.cpu_threads, os.cpu_count() or 1)
    embedder = open_embedder(settings.embedder_url, threads=threads)
    reranker = open_reranker(load(RetrievalSettings).reranker_dir, threads=threads)
    cache = settings.var_dir / "embeddings"
    try:
        documents = read_documents(given.kb, embedder)
        asked = questions_of(documents, given.kb, given.queries)
        with filled(documents, embedder, reranker, cache) as (searcher, chunks):
            measure(searcher, asked[:1])
            print(table(measure(searcher, asked[1:] or asked), chunks))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
