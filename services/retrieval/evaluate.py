"""`switchboard eval retrieval`: how well and how fast the right document is found, per variant.

Takes a folder of documents and a JSONL file of queries (`query`, `doc` = file name without its
ending), or a BEIR folder (`corpus.jsonl`, `queries.jsonl`, `qrels/*.tsv`). No cluster is needed:
the embedded engine is filled once in a temporary folder; embeddings are cached by content.
"""

import math
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from services.retrieval.datasets import Asked, Document, read_documents, read_queries
from services.retrieval.rerank import Reranker
from services.retrieval.search import DENSE_WEIGHT, Searcher
from services.retrieval.vector_cache import cached_vectors
from shared.embeddings import Embedder
from shared.vectors import Chunk, Query, VectorStore, open_vectors

TENANT = "evaluation"
DEPTH = 10  # how far down a ranking the measures look
WARM_UP_QUERIES = 3  # the first calls of a model take longer: not measured
VARIANTS = ("bm25", "dense", "hybrid", "hybrid_rerank")


def fill(store: VectorStore, embedder: Embedder, documents: Sequence[Document], cache: Path) -> int:
    """Embed and store the documents; the number of chunks."""
    texts = [piece.embedding_text for document in documents for piece in document.pieces]
    vectors = cached_vectors(embedder, texts, cache)
    at = 0
    for document in documents:
        chunks = chunks_of(document)
        store.replace_document(TENANT, document.id, "1", chunks, vectors[at : at + len(chunks)])
        at += len(chunks)
    return at


@contextmanager
def filled(
    documents: Sequence[Document], embedder: Embedder, reranker: Reranker | None, cache: Path
) -> Iterator[tuple[Searcher, int]]:
    """A searcher over the documents, which it has learnt as the service does, and their chunks."""
    store = open_vectors("edge:", dimensions=embedder.dimensions)
    try:
        chunks = fill(store, embedder, documents, cache)
        searcher = Searcher(embedder, store, reranker)
        for document in documents:
            searcher.learn(chunks_of(document))
        yield searcher, chunks
    finally:
        store.close()


def chunks_of(document: Document) -> list[Chunk]:
    """The document's pieces as a store takes them."""
    return [
        Chunk(f"{document.id}#{position}", document.id, "1", TENANT, piece.text, piece.title,
              piece.headings, position, product=document.product)
        for position, piece in enumerate(document.pieces)
    ]  # fmt: skip


def measures(ranked: Sequence[str], relevant: Mapping[str, float]) -> dict[str, float]:
    """R@1, R@5, MRR@10 and nDCG@10 of one ranking of document ids.

    Source: Järvelin & Kekäläinen 2002; the gain is linear, as in trec_eval.
    """
    gains = [relevant.get(document, 0.0) for document in ranked[:DEPTH]]
    first = next((rank for rank, gain in enumerate(gains) if gain > 0), None)
    ideal = sorted(relevant.values(), reverse=True)[:DEPTH]
    return {
        "r@1": sum(gain > 0 for gain in gains[:1]) / len(relevant),
        "r@5": sum(gain > 0 for gain in gains[:5]) / len(relevant),
        "mrr@10": 0.0 if first is None else 1 / (first + 1),
        "ndcg@10": _discounted(gains) / _discounted(ideal),
    }


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 2) for rank, gain in enumerate(gains))


def run_variant(searcher: Searcher, variant: str, asked: Sequence[Asked]) -> dict[str, float]:
    """Mean measures over the queries, and percentiles of the whole step in milliseconds."""
    rows: list[dict[str, float]] = []
    took_ms: list[float] = []
    weight = 1.0 if variant == "dense" else DENSE_WEIGHT
    for query in asked:
        started = time.perf_counter()
        result = searcher.search(
            Query(TENANT, query.text, dense_weight=weight), limit=DEPTH,
            lexical_only=variant == "bm25", rerank=variant == "hybrid_rerank",
        )  # fmt: skip
        took_ms.append(1000 * (time.perf_counter() - started))
        ranked = [hit.chunk.document_id for hit in result.passages]
        rows.append(measures(ranked, query.relevant))
    means = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    p50, p95 = np.percentile(took_ms, [50, 95])
    return {**means, "p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2)}


def evaluate(
    kb: Path, queries: Path, embedder: Embedder, reranker: Reranker | None, cache: Path
) -> dict[str, object]:
    """The report of `switchboard eval retrieval --json`. Progress goes to standard error.

    Raises:
        ValueError: no documents, no query with an answer, or a row that cannot be used.
    """
    documents = read_documents(kb, embedder)
    asked = read_queries(queries, kb, [document.id for document in documents])
    with filled(documents, embedder, reranker, cache) as (searcher, chunks):
        found = {}
        for variant in VARIANTS:
            print(f"{variant}: {len(asked)} queries", file=sys.stderr)
            run_variant(searcher, variant, asked[:WARM_UP_QUERIES])
            found[variant] = run_variant(searcher, variant, asked)
    return {"queries": len(asked), "documents": len(documents), "chunks": chunks,
            "variants": found}  # fmt: skip


def as_table(report: Mapping[str, object]) -> str:
    """The report for people."""
    variants = report["variants"]
    assert isinstance(variants, dict)
    columns = ["r@1", "r@5", "mrr@10", "ndcg@10", "p50_ms", "p95_ms"]
    lines = [
        f"{report['queries']} queries, {report['documents']} documents, {report['chunks']} chunks",
        " " * 14 + "".join(f"{column:>10}" for column in columns),
    ]
    for name, row in variants.items():
        lines.append(f"{name:<14}" + "".join(f"{row[c]:>10}" for c in columns))
    return "\n".join(lines)
