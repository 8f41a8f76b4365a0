"""Fit and check the probability that the top passages answer: the weights in `search.py`.

    python -m services.retrieval.training.calibrate --set KB QUERIES UNANSWERABLE --set …

UNANSWERABLE is a JSONL file of questions that KB does not answer. Weights are fitted on four fifths
and the expected calibration error (ten equal-width bins, Guo et al. 2017) is read on the rest, five
times over.
"""

import argparse
import json
import random
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

SIGNALS = ("dense", "lexical", "margin")
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
    files: Sequence[Path], embedder: Embedder, lexical: bool, cache: Path
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
    random.Random(0).shuffle(no_answer)
    asked += [(text, set()) for text in no_answer[: len(asked)]]
    rows, right = [], []
    for text, relevant in asked:
        result = searcher.search(
            Query(TENANT, text, dense_weight=DENSE_WEIGHT), lexical_only=lexical
        )
        found = {hit.chunk.document_id for hit in result.passages}
        rows.append([result.signals[name] for name in SIGNALS])
        right.append(float(bool(found & relevant)))
    store.close()
    return rows, right


def fit(rows: Rows, right: Rows) -> LogisticRegression:
    """A logistic regression, hardly regularised."""
    return LogisticRegression(C=100.0, max_iter=1000).fit(rows, right)


def report(name: str, rows: Rows, right: Rows, groups: Sequence[int]) -> None:
    """Print weights, and the error on held-out questions, together and per knowledge base."""
    order = np.random.default_rng(0).permutation(len(rows))
    chance = np.zeros(len(rows))
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        rest = np.setdiff1d(order, held)
        chance[held] = fit(rows[rest], right[rest]).predict_proba(rows[held])[:, 1]
    model = fit(rows, right)
    weights = dict(zip(SIGNALS, model.coef_[0].round(3).tolist(), strict=True))
    print(name, "bias", round(float(model.intercept_[0]), 3), weights)
    print(
        "  answered", round(float(right.mean()), 3), "ECE", round(expected_error(chance, right), 4)
    )
    for group in sorted(set(groups)):
        own = np.array(groups) == group
        print("  set", group, "ECE", round(expected_error(chance[own], right[own]), 4))


def main() -> None:
    """Read the arguments, observe every set, report with and without the dense leg."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, nargs=3, action="append", required=True)
    parser.add_argument("--embedder", default="support:")
    parser.add_argument("--cache", type=Path, required=True)
    given = parser.parse_args()
    embedder = open_embedder(given.embedder, threads=2)
    for lexical in (False, True):
        rows: list[list[float]] = []
        right: list[float] = []
        groups: list[int] = []
        for number, files in enumerate(given.set):
            print(f"{files[0]}", file=sys.stderr)
            one, truth = observe(files, embedder, lexical, given.cache)
            rows, right, groups = rows + one, right + truth, groups + [number] * len(one)
        report("lexical" if lexical else "hybrid", np.array(rows), np.array(right), groups)


if __name__ == "__main__":
    main()
