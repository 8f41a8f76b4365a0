"""`switchboard eval followups`: is a follow-up searched better with what it leans on?

Two forms of rows (those of IBM's mt-rag benchmark, `Source: Katsis et al. 2025`): a conversation
with its `last` turn and a self-contained `rewrite` by a person, or a task with its `input` turns
and the passages (`contexts`) that answer it. The first is measured by nearness to the rewrite, the
second by what is found among the passages of all tasks.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.retrieval.chunking import chunk_document
from services.retrieval.datasets import Document, json_rows
from services.retrieval.evaluate import DEPTH, TENANT, fill, measures
from services.retrieval.followups import mixed, resolved
from services.retrieval.search import Searcher
from shared.embeddings import Embedder, Vectors
from shared.vectors import Query, open_vectors
from shared.words import content_words

SELF_CONTAINED_COSINE = 0.95  # of question and rewrite: from here on, nothing was missing
_TURN = "|user|:"
_FORM = '{"conversation", "last", "rewrite"} or {"input": [{"speaker", "text"}], "contexts": […]}'

Report = dict[str, object]


@dataclass(frozen=True)
class Rewritten:
    """A question after others, and what a person made of it."""

    earlier: tuple[str, ...]
    question: str
    rewrite: str

    @property
    def ours(self) -> str:
        """What we make of it."""
        return resolved(self.question, self.earlier)


@dataclass(frozen=True)
class Task:
    """A customer's turns and the passages that answer the last one."""

    turns: tuple[str, ...]
    kind: str  # as the file says: follow-up, clarification, …
    passages: Mapping[str, str]  # id → text


def evaluate(path: Path, embedder: Embedder, cache: Path) -> Report:
    """The report of `switchboard eval followups --json`.

    Raises:
        ValueError: rows of another form, or none with something before its last turn.
    """
    rows = [row for _, row in json_rows(path)]
    try:
        if rows and "rewrite" in rows[0]:
            return _by_rewrites(list(filter(None, map(_rewritten, rows))), embedder)
        tasks = list(filter(None, map(_task, rows)))
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}: expected rows of the form {_FORM}") from None
    return _by_passages(tasks, embedder, cache)


def _rewritten(row: Mapping[str, Any]) -> Rewritten | None:
    conversation, last, rewrite = (
        [turn.strip() for turn in str(row[field]).split(_TURN) if turn.strip()]
        for field in ("conversation", "last", "rewrite")
    )
    if len(conversation) < 2 or not last or not rewrite:
        return None
    return Rewritten(tuple(conversation[:-1]), last[0], rewrite[0])


def _task(row: Mapping[str, Any]) -> Task | None:
    turns = tuple(turn["text"].strip() for turn in row["input"] if turn["speaker"] == "user")
    kind = row.get("Multi-Turn") or ["all"]
    passages = {passage["document_id"]: passage["text"] for passage in row["contexts"]}
    return Task(turns, str(kind[0]).lower(), passages) if passages and turns else None


def _by_rewrites(rows: Sequence[Rewritten], embedder: Embedder) -> Report:
    if not rows:
        raise ValueError("no row has a turn before its last one")
    gold = embedder.embed([row.rewrite for row in rows])
    own = embedder.embed([row.question for row in rows])
    ours = _searched_vectors(own, [row.ours for row in rows], [row.question for row in rows],
                             embedder)  # fmt: skip
    two = embedder.embed([f"{row.earlier[-1]} {row.question}" for row in rows])
    complete = _cosines(gold, own) >= SELF_CONTAINED_COSINE
    report: Report = {"questions": len(rows)}
    for name, chosen in (("follow_ups", ~complete), ("self_contained", complete)):
        picked = [row for row, is_in in zip(rows, chosen, strict=True) if is_in]
        report[name] = {
            "questions": len(picked),
            "changed": _mean([row.ours != row.question for row in picked]),
            "last_turn": {
                "cosine": _mean(_cosines(gold, own)[chosen]),
                "word_recall": _mean([_recall(row.question, row.rewrite) for row in picked]),
            },
            "last_two_turns": {
                "cosine": _mean(_cosines(gold, two)[chosen]),
                "word_recall": _mean(
                    [_recall(f"{row.earlier[-1]} {row.question}", row.rewrite) for row in picked]
                ),
            },
            "resolved": {
                "cosine": _mean(_cosines(gold, ours)[chosen]),
                "word_recall": _mean([_recall(row.ours, row.rewrite) for row in picked]),
            },
        }
    return report


def _by_passages(tasks: Sequence[Task], embedder: Embedder, cache: Path) -> Report:
    if not tasks:
        raise ValueError("no task has passages that answer it")
    texts = {name: text for task in tasks for name, text in task.passages.items()}
    pieces = {name: chunk_document(text, title="", embedder=embedder)
              for name, text in texts.items()}  # fmt: skip
    documents = [Document(name, tuple(found)) for name, found in pieces.items() if found]
    store = open_vectors("edge:", dimensions=embedder.dimensions)
    try:
        chunks = fill(store, embedder, documents, cache)
        searcher = Searcher(embedder, store)
        scores: defaultdict[str, defaultdict[str, list[Mapping[str, float]]]]
        scores = defaultdict(lambda: defaultdict(list))
        for task in tasks:
            for variant, measured in _measured(task, searcher, embedder).items():
                for group in ("all", "first" if len(task.turns) == 1 else task.kind):
                    scores[group][variant].append(measured)
    finally:
        store.close()
    made: Report = {"tasks": len(tasks), "passages": len(documents), "chunks": chunks}
    return made | {group: _summary(variants) for group, variants in sorted(scores.items())}


def _measured(task: Task, searcher: Searcher, embedder: Embedder) -> dict[str, dict[str, float]]:
    last, earlier = task.turns[-1], task.turns[:-1]
    own = embedder.embed([last])[0]
    ours = resolved(last, earlier)
    vector = own if ours == last else mixed(own, embedder.embed([ours])[0])
    asked = {
        "last_turn": (last, own),
        "last_two_turns": (" ".join(task.turns[-2:]), None),
        "resolved": (ours, vector),
    }
    found = {}
    for variant, (text, meaning) in asked.items():
        result = searcher.search(Query(TENANT, text, meaning), limit=DEPTH)
        ranked = [hit.chunk.document_id for hit in result.passages]
        found[variant] = measures(ranked, dict.fromkeys(task.passages, 1.0))
    return found


def _summary(variants: Mapping[str, Sequence[Mapping[str, float]]]) -> Report:
    count = len(next(iter(variants.values())))
    means = {
        variant: {name: _mean([row[name] for row in rows]) for name in ("r@5", "ndcg@10")}
        for variant, rows in variants.items()
    }
    return {"tasks": count, **means}


def _searched_vectors(
    own: Vectors, ours: Sequence[str], asked: Sequence[str], embedder: Embedder
) -> Vectors:
    changed = np.array([new != old for new, old in zip(ours, asked, strict=True)])[:, None]
    return np.where(changed, mixed(own, embedder.embed(list(ours))), own)


def _cosines(first: Vectors, second: Vectors) -> Vectors:
    cosines: Vectors = np.sum(first * second, axis=1)
    return cosines


def _recall(text: str, rewrite: str) -> float:
    """Share of the rewrite's content words that `text` holds."""
    wanted = {word.stem for word in content_words(rewrite)}
    return len(wanted & {word.stem for word in content_words(text)}) / len(wanted or {""})


def _mean(values: Any) -> float | None:
    return round(float(np.mean(values)), 4) if len(values) else None
