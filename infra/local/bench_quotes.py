"""`make bench-quotes KB=folder QUERIES=file`: is the right article quoted when no model writes?

Search, then the sentences that generation's built-in tier would quote, for queries whose article is
known (formats of `switchboard eval retrieval`). Answered: the probability of an answer reaches
`SAFETY_MIN_CONFIDENCE`; the others go to a person. No cluster is needed.
"""

import argparse
import os
import sys
from collections.abc import Iterable
from itertools import compress
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from services.retrieval.adapters import passage_of
from services.retrieval.datasets import read_documents, read_queries
from services.retrieval.evaluate import TENANT, filled
from services.retrieval.rerank import open_reranker
from services.retrieval.search import DENSE_WEIGHT
from services.retrieval.settings import RetrievalSettings
from services.safety.settings import SafetySettings
from shared.embeddings import open_embedder
from shared.extractive import pick_sentences
from shared.settings import Settings, load
from shared.vectors import Query

SHOP = Path("infra/sample_shop")


def share(flags: Iterable[bool]) -> str:
    """`3 of 4 (75 %)`."""
    found = list(flags)
    return f"{sum(found)} of {len(found)} ({sum(found) / max(1, len(found)):.0%})"


def run(kb: Path, queries: Path) -> Table:
    """Ask every query."""
    settings = load(Settings)
    embedder = open_embedder(settings.embedder_url, threads=os.cpu_count() or 1)
    reranker = open_reranker(load(RetrievalSettings).reranker_dir)
    documents = read_documents(kb, embedder)
    answered, found, quoted = [], [], []
    least = load(SafetySettings).min_confidence
    asked = read_queries(queries, kb, [document.id for document in documents])
    with filled(documents, embedder, reranker, settings.var_dir / "embeddings") as (searcher, _):
        for query in track(asked, "asking", console=Console(stderr=True)):
            result = searcher.search(Query(TENANT, query.text, dense_weight=DENSE_WEIGHT))
            passages = [passage_of(hit) for hit in result.passages]
            sentences = pick_sentences(query.text, passages)
            answered.append(result.probability >= least)
            found.append(any(passage.document_id in query.relevant for passage in passages))
            quoted.append(any(s.passage.document_id in query.relevant for s in sentences))
    table = Table("", "all questions", "those answered")
    for name, flags in (("right article among five", found), ("right article quoted", quoted)):
        table.add_row(name, share(flags), share(compress(flags, answered)))
    return table


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kb", type=Path, default=SHOP / "articles")
    parser.add_argument("--queries", type=Path, default=SHOP / "queries.jsonl")
    given = parser.parse_args()
    try:
        Console().print(run(given.kb, given.queries))
    except ValueError as error:  # names the row or file that is wrong
        sys.exit(str(error))


if __name__ == "__main__":
    main()
