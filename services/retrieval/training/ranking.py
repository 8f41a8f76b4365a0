"""Fit and check the weights of the re-rank by words and headlines: those in `search.py`.

    python -m services.retrieval.training.ranking --set KB QUERIES --set … [--cache FOLDER]

Nothing but ranks count: nDCG and R@5 with each rank made smooth (Qin, Liu & Li 2010, "A general
approximation framework for direct optimization of information retrieval measures"), since a
likelihood is led by the few questions that no ranking can get right. The fused score counts 1. All
sets are fitted together, the first counts most; every printed figure is of questions that the
weights had not seen (five folds).
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

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
# A rival counts as half ahead at the same score, as .73 ahead at one width more. In spreads of one
# feature among the candidates. A wide one first: the sum can then be climbed from anywhere.
WIDTHS = (1.0, 0.5, 0.25, 0.12, 0.06, 0.03)
FIFTH = 0.5  # worth of a place among the first five, beside the gain of nDCG

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
    matches = np.array(headlines.scores(text, [headline_of(hit.chunk) for hit in ranked]))
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
    direction = np.eye(len(spread))[0]
    for width in WIDTHS:
        found = minimize(_loss, direction, (sets, spread, width), jac=True, method="L-BFGS-B").x
        direction = found / np.linalg.norm(found)
    weights = direction / spread
    return np.asarray(weights / weights[0])


def _loss(
    direction: Numbers, sets: Sequence[Sequence[List]], spread: Numbers, width: float
) -> tuple[float, Numbers]:
    """Of the direction alone: longer weights would say nothing, and make the ranks less smooth."""
    length = np.linalg.norm(direction)
    unit = direction / length
    value, slope = gain(sets, unit / spread, width)
    own = slope / spread
    return -value, np.asarray((own @ unit * unit - own) / length)


def gain(sets: Sequence[Sequence[List]], weights: Numbers, width: float) -> tuple[float, Numbers]:
    """What is maximised, the mean of each set weighted, and its slope [FEATURES]."""
    total, slope = 0.0, np.zeros(len(weights))
    for number, lists in enumerate(sets):
        share = (1.0 if number == 0 else OTHERS) / len(lists)
        for item in lists:
            value, own = _gain(item, weights, width)
            total, slope = total + share * value, slope + share * own
    return total, slope


def _gain(item: List, weights: Numbers, width: float) -> tuple[float, Numbers]:
    """nDCG and `FIFTH` of R@5 of one question, with smooth ranks."""
    places = [place for place, name in enumerate(item.documents) if name in item.relevant]
    scores = item.features @ weights
    ahead = expit((scores[None, :] - scores[places, None]) / width)  # [relevant, candidates]
    ranks = ahead.sum(axis=1) + 0.5  # a document is half ahead of itself
    gains, fifth = 1 / np.log2(ranks + 1), expit((5.5 - ranks) * 2)
    best = (1 / np.log2(np.arange(len(item.relevant)) + 2)).sum()
    value = gains.sum() / best + FIFTH * fifth.sum() / len(item.relevant)
    by_rank = (-(gains**2) / ((ranks + 1) * np.log(2)) / best
               - FIFTH * 2 * fifth * (1 - fifth) / len(item.relevant))  # fmt: skip
    moved = ahead * (1 - ahead) / width
    by_weight = moved @ item.features - moved.sum(axis=1, keepdims=True) * item.features[places]
    return float(value), np.asarray(by_rank @ by_weight)


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
