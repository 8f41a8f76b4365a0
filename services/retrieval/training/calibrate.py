"""Fit and check the probability that the top passages answer: the weights in `search.py`.

    python -m services.retrieval.training.calibrate --set KB QUERIES UNANSWERABLE --set …

UNANSWERABLE is a JSONL file of questions that KB does not answer. Weights are fitted on four fifths
and the expected calibration error (ten equal-width bins, Guo et al. 2017) is read on the rest, five
times over.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from services.retrieval.datasets import read_documents, read_queries
from services.retrieval.evaluate import TENANT, fill
from services.retrieval.search import DENSE_WEIGHT, Searcher
from shared.embeddings import Embedder, open_embedder
from shared.vectors import Query, open_vectors

SIGNALS = {
    "hybrid": ("dense", "dense_usual", "lexical", "lexical_usual", "lead", "headline"),
    "plain": ("dense", "dense_usual", "lexical", "lexical_usual", "lead"),  # without re-ranking
    "lexical": ("lexical", "lexical_usual", "lead"),
}
BINS = 10
FOLDS = 5

Rows = NDArray[np.float64]


def expected_error(chance: Rows, right: Rows) -> float:
    """Mean distance of belief and truth over the bins, weighted by their size: 0 to 1."""
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    gaps = [abs(chance[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean()
            for b in range(BINS) if (bins == b).any()]  # fmt: skip
    return float(sum(gaps))


def observe(
    files: Sequence[Path], embedder: Embedder, way: str, cache: Path
) -> tuple[list[list[float]], list[float]]:
    """Signals of every question, and whether the top five hold an answer."""
    kb, queries, unanswerable = files
    store = open_vectors("edge:")
    documents = read_documents(kb, embedder)
    fill(store, embedder, documents, cache)
    searcher = Searcher(embedder, store)
    answered = read_queries(queries, kb, [document.id for document in documents])
    asked = [(query.text, set(query.relevant)) for query in answered]
    texts = [json.loads(line) for line in unanswerable.open(encoding="utf-8")]
    no_answer = [str(row.get("query") or row.get("text")) for row in texts]
    asked += [(text, set()) for text in no_answer]
    rows, right = [], []
    for text, relevant in asked:
        result = searcher.search(
            Query(TENANT, text, dense_weight=DENSE_WEIGHT),
            lexical_only=way == "lexical",
            rerank=way == "hybrid",
        )
        found = {hit.chunk.document_id for hit in result.passages}
        rows.append([result.signals.get(name, 0.0) for name in SIGNALS[way]])
        right.append(float(bool(found & relevant)))
    store.close()
    return rows, right


def fit(rows: Rows, right: Rows, groups: NDArray[np.int64]) -> LogisticRegression:
    """A logistic regression, hardly regularised; every set counts the same, whatever its size."""
    sizes = np.bincount(groups)
    weights = len(rows) / (len(sizes) * sizes[groups])
    return LogisticRegression(C=100.0, max_iter=3000).fit(rows, right, sample_weight=weights)


def report(way: str, rows: Rows, right: Rows, groups: NDArray[np.int64]) -> None:
    """Print weights, and the error on held-out questions, together and per knowledge base."""
    order = np.random.default_rng(0).permutation(len(rows))
    chance = np.zeros(len(rows))
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = np.setdiff1d(order, held)
        model = fit(rows[rest], right[rest], groups[rest])
        chance[held] = model.predict_proba(rows[held])[:, 1]
    model = fit(rows, right, groups)
    weights = dict(zip(SIGNALS[way], model.coef_[0].round(2).tolist(), strict=True))
    print(way, "bias", round(float(model.intercept_[0]), 2), weights)
    print("  answered", round(float(right.mean()), 3), "ECE", _rounded(chance, right))
    for group in range(groups.max() + 1):
        own = groups == group
        print("  set", group, "ECE", _rounded(chance[own], right[own]))


def _rounded(chance: Rows, right: Rows) -> float:
    return round(expected_error(chance, right), 4)


def main() -> None:
    """Read the arguments, observe every set in every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, nargs=3, action="append", required=True)
    parser.add_argument("--embedder", default="support:")
    parser.add_argument("--cache", type=Path, default=Path("var/embeddings"))
    given = parser.parse_args()
    embedder = open_embedder(given.embedder, threads=2)
    for way in SIGNALS:
        rows: list[list[float]] = []
        right: list[float] = []
        groups: list[int] = []
        for number, files in enumerate(given.set):
            print(f"{files[0]}", file=sys.stderr)
            one, truth = observe(files, embedder, way, given.cache)
            rows, right, groups = rows + one, right + truth, groups + [number] * len(one)
        report(way, np.array(rows), np.array(right), np.array(groups))


if __name__ == "__main__":
    main()
