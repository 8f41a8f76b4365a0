"""Fit and check the weights of the re-rank by words and headlines: those in `search.py`.

    python -m services.retrieval.training.ranking --set KB QUERIES --set … [--cache FOLDER]

Coordinate ascent on nDCG@10 and R@5 (Metzler & Croft 2007, "Linear feature-based models for
information retrieval"); a likelihood is led by the few questions that no ranking can get right. The
fused score counts 1. All sets are fitted together, the first counts most; every printed figure is
of questions that the weights had not seen (five folds).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.retrieval.core import best_per_document, document_scores, without_near_duplicates
from services.retrieval.datasets import read_documents, read_queries
from services.retrieval.evaluate import DEPTH, TENANT, fill, measures
from services.retrieval.headlines import HeadlineMatcher, TokenEncoder, headline_of, telling
from services.retrieval.search import CANDIDATES, DENSE_WEIGHT, HEADLINES
from services.retrieval.wording import Articles, evidence, named, words_of
from shared.embeddings import Embedder, open_embedder
from shared.vectors import Hit, Query, open_vectors

TOLD = ("dense", "cover", "headline_phrases", "length", "headline_length", "headline")
FEATURES = ("fused", "phrases", "named", *TOLD)
FOLDS = 5
OTHERS = 0.3  # weight of every set but the first, whose questions are the most varied
STEPS = (1.0, 0.5, 0.25, 0.12, 0.06)  # in units of the fused score's spread
WORTH = 2e-4  # a step that gains less is not taken

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class List:
    """The candidates of one question."""

    documents: list[str]
    features: Numbers  # [candidates, FEATURES], each less its best
    relevant: set[str]


def features_of(
    text: str,
    ranked: Sequence[Hit],
    fused: Sequence[float],
    articles: Articles,
    headlines: HeadlineMatcher,
) -> Numbers:
    """[candidates, FEATURES]; what only telling headlines allow is 0 where they do not tell."""
    question = words_of(text, "")
    products = named(question, [hit.chunk.product for hit in ranked], "")
    seen = evidence(question, [articles.of(hit.chunk) for hit in ranked])
    is_telling = telling([headline_of(hit.chunk) for hit in ranked[:HEADLINES]])
    matches = np.zeros(len(ranked))
    if is_telling:
        head = ranked[:HEADLINES]
        found = np.array(headlines.scores(text, [headline_of(hit.chunk) for hit in head]))
        matches[: len(head)] = found - found.mean()
    dense = np.array([hit.dense for hit in ranked])
    told = np.column_stack([dense, seen.cover, seen.headline_phrases, seen.length,
                            seen.headline_length, matches])  # fmt: skip
    rows = np.column_stack([np.array(fused), seen.phrases, products, told * is_telling])
    return np.asarray(rows - rows.max(axis=0))


def lists_of(kb: Path, queries: Path, embedder: Embedder, cache: Path) -> list[List]:
    """Search as the product does, up to the fused ranking."""
    assert isinstance(embedder, TokenEncoder)
    store = open_vectors("edge:", dimensions=embedder.dimensions)
    documents = read_documents(kb, embedder)
    fill(store, embedder, documents, cache)
    articles, headlines = Articles(store.chunks_of), HeadlineMatcher(embedder)
    found = []
    for query in read_queries(queries, kb, [document.id for document in documents]):
        vector = embedder.embed([query.text])[0]
        asked = Query(TENANT, query.text, vector, limit=2 * CANDIDATES, candidates=CANDIDATES,
                      dense_weight=DENSE_WEIGHT)  # fmt: skip
        hits = without_near_duplicates(store.search(asked))
        ranked, scores = best_per_document(hits), document_scores(hits)
        names = [hit.chunk.document_id for hit in ranked]
        rows = features_of(
            query.text, ranked, [scores[name] for name in names], articles, headlines
        )
        found.append(List(names, rows, set(query.relevant)))
    store.close()
    return found


def fit(sets: Sequence[Sequence[List]]) -> Numbers:
    """Weights [FEATURES] of all sets together."""
    spread = np.concatenate([item.features for item in sets[0]]).std(axis=0) + 1e-9
    unit = spread[0] / spread
    weights = np.eye(len(FEATURES))[0]
    best = gain(sets, weights)
    for step in STEPS:
        while True:
            moves = [weights + way * step * unit * np.eye(len(FEATURES))[place]
                     for place in range(1, len(FEATURES)) for way in (-1, 1)]  # fmt: skip
            found = max(moves, key=lambda moved: gain(sets, moved))
            if (reached := gain(sets, found)) < best + WORTH:
                break
            weights, best = found, reached
    return weights


def gain(sets: Sequence[Sequence[List]], weights: Numbers) -> float:
    """What is maximised: nDCG@10 and half of R@5, the sets weighted."""
    total = 0.0
    for number, lists in enumerate(sets):
        rows = [measured(item, weights) for item in lists]
        value = float(np.mean([row["ndcg@10"] + row["r@5"] / 2 for row in rows]))
        total += value if number == 0 else OTHERS * value
    return total


def held_out(sets: Sequence[Sequence[List]]) -> list[list[dict[str, float]]]:
    """Measures of every question of every set, ranked by weights fitted on the other folds."""
    folds = [np.random.default_rng(0).permutation(len(lists)) % FOLDS for lists in sets]
    rows: list[list[dict[str, float]]] = [[] for _ in sets]
    for fold in range(FOLDS):
        print(f"fold {fold + 1} of {FOLDS}", file=sys.stderr)
        weights = fit([[item for item, own in zip(lists, part, strict=True) if own != fold]
                       for lists, part in zip(sets, folds, strict=True)])  # fmt: skip
        for number, (lists, part) in enumerate(zip(sets, folds, strict=True)):
            held = [item for item, own in zip(lists, part, strict=True) if own == fold]
            rows[number] += [measured(item, weights) for item in held]
    return rows


def measured(item: List, weights: Numbers) -> dict[str, float]:
    """The measures of one question."""
    order = np.argsort(-(item.features @ weights), kind="stable")[:DEPTH]
    return measures([item.documents[place] for place in order], dict.fromkeys(item.relevant, 1.0))


def main() -> None:
    """Read the arguments, print figures and weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, nargs=2, action="append", required=True)
    parser.add_argument("--embedder", default="support:")
    parser.add_argument("--cache", type=Path, default=Path("var/embeddings"))
    given = parser.parse_args()
    embedder = open_embedder(given.embedder, threads=2)
    sets = []
    for kb, queries in given.set:
        print(kb, file=sys.stderr)
        sets.append(lists_of(kb, queries, embedder, given.cache))
    for (kb, _), lists, rows in zip(given.set, sets, held_out(sets), strict=True):
        fused = [measured(item, np.eye(len(FEATURES))[0]) for item in lists]
        for name, figures in (("fused", fused), ("re-ranked", rows)):
            means = {
                key: round(float(np.mean([row[key] for row in figures])), 4) for key in rows[0]
            }
            print(f"{kb.name}, {name}: {means}")
    weights = fit(sets)
    print(dict(zip(FEATURES, weights.round(4).tolist(), strict=True)))


if __name__ == "__main__":
    main()
