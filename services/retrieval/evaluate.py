"""`switchboard eval retrieval`: how well and how fast the right document is found, per variant.

Takes a folder of documents and a JSONL file of queries (`query`, `doc` = file name without its
ending), or a BEIR folder (`corpus.jsonl`, `queries.jsonl`, `qrels/*.tsv`). No cluster is needed:
the embedded engine is filled once in a temporary folder; embeddings are cached by content.
"""

import csv
import hashlib
import json
import math
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.retrieval.chunking import Piece, chunk_document
from services.retrieval.documents import Rejected, split_front_matter
from services.retrieval.rerank import Reranker
from services.retrieval.search import DENSE_WEIGHT, Searcher
from shared.embeddings import Embedder, Vectors
from shared.vectors import Chunk, VectorStore, open_vectors

TENANT = "evaluation"
DEPTH = 10  # how far down a ranking the measures look
EMBED_AT_ONCE = 512
VARIANTS = ("bm25", "dense", "hybrid", "hybrid_rerank")


@dataclass(frozen=True)
class Source:
    """A document to search in."""

    id: str
    title: str
    text: str
    html: bool = False


@dataclass(frozen=True)
class Asked:
    """A query and the documents that answer it, each with its gain (> 0)."""

    text: str
    relevant: Mapping[str, float]


def read_documents(folder: Path) -> Iterator[Source]:
    """Documents of a folder of Markdown, text or HTML files, or of a BEIR corpus."""
    corpus = folder / "corpus.jsonl"
    if corpus.is_file():
        for row in _rows(corpus):
            yield Source(str(row["_id"]), str(row.get("title") or ""), str(row["text"]))
        return
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in (".md", ".markdown", ".txt", ".html", ".htm"):
            yield _read_file(path)


def _read_file(path: Path) -> Source:
    content = path.read_text(encoding="utf-8", errors="replace")
    try:
        matter = split_front_matter(content)
    except Rejected:
        return Source(path.stem, "", content)
    title = str(matter.fields.get("title", ""))
    return Source(path.stem, title, matter.body, path.suffix.lower() in (".html", ".htm"))


def read_queries(path: Path, folder: Path) -> list[Asked]:
    """Queries of a JSONL file, with relevance in `doc`, `docs` or the folder's `qrels/*.tsv`."""
    rows = list(_rows(path))
    if rows and "_id" in rows[0]:
        relevant = _read_qrels(folder)
        asked = [Asked(str(row["text"]), relevant.get(str(row["_id"]), {})) for row in rows]
        return [query for query in asked if query.relevant]
    return [Asked(str(row["query"]), dict.fromkeys(_answers(row), 1.0)) for row in rows]


def _answers(row: Mapping[str, object]) -> list[str]:
    several = row.get("docs")
    return [str(doc) for doc in several] if isinstance(several, list) else [str(row["doc"])]


def _read_qrels(folder: Path) -> dict[str, dict[str, float]]:
    choices = [folder / "qrels" / f"{name}.tsv" for name in ("test", "dev", "train")]
    path = next((choice for choice in choices if choice.is_file()), None)
    if path is None:
        raise ValueError(f"no qrels/test.tsv, dev.tsv or train.tsv in {folder}")
    relevant: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if float(row["score"]) > 0:
                relevant.setdefault(row["query-id"], {})[row["corpus-id"]] = float(row["score"])
    return relevant


def _rows(path: Path) -> Iterator[dict[str, object]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def fill(store: VectorStore, embedder: Embedder, sources: Sequence[Source], cache: Path) -> int:
    """Cut, embed and store the documents; the number of chunks."""
    cut = [(s, chunk_document(s.text, title=s.title or _first_heading(s), embedder=embedder,
                              html=s.html)) for s in sources]  # fmt: skip
    pieces = [piece for _, found in cut for piece in found]
    vectors = cached_vectors(embedder, [piece.embedding_text for piece in pieces], cache)
    at = 0
    for source, found in cut:
        chunks = [_chunk(source, piece, position) for position, piece in enumerate(found)]
        store.replace_document(TENANT, source.id, "1", chunks, vectors[at : at + len(found)])
        at += len(found)
    return len(pieces)


def _first_heading(source: Source) -> str:
    lines = (line for line in source.text.splitlines() if line.startswith("# "))
    return next(lines, f"# {source.id}")[2:].strip()


def _chunk(source: Source, piece: Piece, position: int) -> Chunk:
    return Chunk(f"{source.id}#{position}", source.id, "1", TENANT, piece.text, piece.title,
                 piece.headings, position)  # fmt: skip


def cached_vectors(embedder: Embedder, texts: Sequence[str], cache: Path) -> Vectors:
    """Vectors of `texts`, [n, dimensions], from `cache` when these very texts were embedded."""
    digest = hashlib.sha256(embedder.name.encode())
    for text in texts:
        digest.update(b"\0" + text.encode())
    path = cache / f"{digest.hexdigest()[:24]}.npy"
    if path.is_file():
        return np.asarray(np.load(path), dtype=np.float32)
    parts = [np.zeros((0, embedder.dimensions), np.float32)]
    for start in range(0, len(texts), EMBED_AT_ONCE):
        print(f"embedding {start} of {len(texts)} chunks", file=sys.stderr)
        parts.append(embedder.embed(texts[start : start + EMBED_AT_ONCE]))
    cache.mkdir(parents=True, exist_ok=True)
    vectors = np.concatenate(parts)
    np.save(path, vectors)
    return vectors


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
            TENANT, query.text, limit=DEPTH,
            lexical_only=variant == "bm25", rerank=variant == "hybrid_rerank",
            dense_weight=weight,
        )  # fmt: skip
        took_ms.append(1000 * (time.perf_counter() - started))
        ranked = [hit.chunk.document_id for hit in result.passages]
        rows.append(measures(ranked, query.relevant))
    means = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    p50, p95 = np.percentile(took_ms, [50, 95])
    return {**means, "p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2)}


def evaluate(
    kb: Path,
    queries: Path,
    embedder: Embedder,
    reranker: Reranker | None,
    *,
    cache: Path | None = None,
) -> dict[str, object]:
    """The report of `switchboard eval retrieval --json`. Progress goes to standard error.

    Raises:
        ValueError: no documents, or no query with an answer.
    """
    sources = list(read_documents(kb))
    asked = read_queries(queries, kb)
    if not sources or not asked:
        raise ValueError(f"{len(sources)} documents in {kb}, {len(asked)} queries in {queries}")
    store = open_vectors("edge:", dimensions=embedder.dimensions)
    try:
        place = cache or Path(tempfile.gettempdir()) / "switchboard-embeddings"
        chunks = fill(store, embedder, sources, place)
        searcher = Searcher(embedder, store, reranker)
        searcher.search(TENANT, asked[0].text)  # the first call warms the model up
        found = {}
        for variant in VARIANTS:
            print(f"{variant}: {len(asked)} queries", file=sys.stderr)
            found[variant] = run_variant(searcher, variant, asked)
    finally:
        store.close()
    return {"queries": len(asked), "documents": len(sources), "chunks": chunks,
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
