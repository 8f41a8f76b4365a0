"""Fit and check the probability that the top passages answer: the weights in `search.py`.

    python -m services.retrieval.training.calibrate --set KB QUERIES UNANSWERABLE… --set …

UNANSWERABLE are JSONL files of questions that KB does not answer; each file weighs the same, and
all of them together 1 − `--answerable` of the set: a probability is honest for one such mix only.
Weights are fitted on four fifths and the expected calibration error (ten equal-width bins, Guo et
al. 2017) is read on the rest, five times over; the mean of six such cuts, since a small set's error
hangs on how it was cut.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
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
    "hybrid": (
        "dense",
        "dense_usual",
        "lexical",
        "lexical_usual",
        "cover",
        "cover_usual",
        "headline",
        "headline_usual",
        "lead",
    ),
    "plain": ("dense", "dense_usual", "lexical", "lexical_usual", "lead"),  # without re-ranking
    "lexical": ("lexical", "lexical_usual", "lead"),
}
BINS = 10
FOLDS = 5
CUTS = 6
SURE = 0.7  # SAFETY_MIN_CONFIDENCE: below, a person is asked

Rows = NDArray[np.float64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Observed:
    """Questions of all sets. `kind`: 0 has an answer, above that the number of its file."""

    rows: Rows  # [n, signals]
    right: Rows  # [n], 1.0 where the top five hold an answer
    group: Numbers  # [n], the set
    kind: Numbers  # [n]

    def weights(self, answerable: float) -> Rows:
        """So that sets weigh the same, and of each set that share has an answer; mean 1."""
        found = np.zeros(len(self.rows))
        for group in np.unique(self.group):
            own = self.group == group
            kinds = int(self.kind[own].max())
            for kind in range(kinds + 1):
                here = own & (self.kind == kind)
                found[here] = (answerable if kind == 0 else (1 - answerable) / kinds) / here.sum()
        return found * len(found) / found.sum()


def expected_error(chance: Rows, right: Rows, weights: Rows) -> float:
    """Mean distance of belief and truth over the bins, weighted by their size: 0 to 1."""
    bins = np.minimum((chance * BINS).astype(int), BINS - 1)
    gaps = [abs(np.sum(weights[bins == b] * (chance - right)[bins == b])) for b in range(BINS)]
    return float(sum(gaps) / weights.sum())


def observe(
    files: Sequence[Path], embedder: Embedder, way: str, cache: Path
) -> tuple[list[list[float]], list[float], list[int]]:
    """Of every question: its signals, whether the top five hold an answer, its kind."""
    kb, queries, *unanswerable = files
    store = open_vectors("edge:")
    documents = read_documents(kb, embedder)
    fill(store, embedder, documents, cache)
    searcher = Searcher(embedder, store)
    answered = read_queries(queries, kb, [document.id for document in documents])
    asked = [(query.text, set(query.relevant), 0) for query in answered]
    for kind, path in enumerate(unanswerable, 1):
        texts = [json.loads(line) for line in path.open(encoding="utf-8")]
        asked += [(str(row.get("query") or row.get("text")), set(), kind) for row in texts]
    rows, right = [], []
    for text, relevant, _ in asked:
        result = searcher.search(
            Query(TENANT, text, dense_weight=DENSE_WEIGHT),
            lexical_only=way == "lexical",
            rerank=way == "hybrid",
        )
        found = {hit.chunk.document_id for hit in result.passages}
        rows.append([result.signals.get(name, 0.0) for name in SIGNALS[way]])
        right.append(float(bool(found & relevant)))
    store.close()
    return rows, right, [kind for _, _, kind in asked]


def fit(seen: Observed, some: Numbers, answerable: float) -> LogisticRegression:
    """A logistic regression on `some` of the rows, hardly regularised."""
    weights = seen.weights(answerable)[some]
    model = LogisticRegression(C=100.0, max_iter=3000)
    return model.fit(seen.rows[some], seen.right[some], sample_weight=weights)


def _held_out(seen: Observed, answerable: float, cut: int) -> Rows:
    """The chance of every question, by weights that had not seen it."""
    order = np.random.default_rng(cut).permutation(len(seen.rows))
    chance = np.zeros(len(order))
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        model = fit(seen, np.setdiff1d(order, held), answerable)
        chance[held] = model.predict_proba(seen.rows[held])[:, 1]
    return chance


def report(way: str, seen: Observed, answerable: float) -> None:
    """Print weights, and what held-out questions show, per knowledge base."""
    cuts = [_held_out(seen, answerable, cut) for cut in range(CUTS)]
    model = fit(seen, np.arange(len(seen.rows)), answerable)
    coefficients = dict(zip(SIGNALS[way], model.coef_[0].round(2).tolist(), strict=True))
    print(way, "bias", round(float(model.intercept_[0]), 2), coefficients)
    weights = seen.weights(answerable)
    for group in np.unique(seen.group):
        own = seen.group == group
        error = np.mean([expected_error(c[own], seen.right[own], weights[own]) for c in cuts])
        chance = cuts[0]
        sure = own & (chance >= SURE)
        right = np.average(seen.right[sure], weights=weights[sure])
        passed = [round(float(np.mean(chance[own & (seen.kind == kind)] >= SURE)), 2)
                  for kind in np.unique(seen.kind[own])]  # fmt: skip
        print(f"  set {group} ECE {error:.4f}; from {SURE} on: right {right:.2f}, by kind {passed}")


def main() -> None:
    """Read the arguments, observe every set in every way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, nargs="+", action="append", required=True)
    parser.add_argument("--answerable", type=float, default=0.75, help="share of each set")
    parser.add_argument("--embedder", default="support:")
    parser.add_argument("--cache", type=Path, default=Path("var/embeddings"))
    given = parser.parse_args()
    embedder = open_embedder(given.embedder, threads=2)
    for way in SIGNALS:
        rows: list[list[float]] = []
        right: list[float] = []
        groups: list[int] = []
        kinds: list[int] = []
        for number, files in enumerate(given.set):
            print(f"{files[0]}", file=sys.stderr)
            one, truth, kind = observe(files, embedder, way, given.cache)
            rows, right, kinds = rows + one, right + truth, kinds + kind
            groups += [number] * len(one)
        seen = Observed(np.array(rows), np.array(right), np.array(groups), np.array(kinds))
        report(way, seen, given.answerable)


if __name__ == "__main__":
    main()
