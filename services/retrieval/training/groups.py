"""Questions with one right passage and the wrong ones that a search really brings up.

The passages are chunks as they are served. A group shows all its passages alike: when a question
is the title of its article, no passage of the group shows a title, so that nothing but the words
themselves gives the right one away.
"""

import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from services.retrieval.chunking import Piece, plain_words
from services.retrieval.training.pairs import Question
from shared.vectors import Chunk

if TYPE_CHECKING:  # SciPy comes with training only; what is drawn from groups is tested without
    from services.retrieval.training.exact import Corpus

DEPTH = 30  # documents of the search that wrong passages are drawn from
SAME_COSINE = 0.93  # a chunk so close to the right one is no wrong answer
QUESTIONS_AT_ONCE = 256


@dataclass(frozen=True)
class Group:
    """A question, its right passage, and wrong ones, the most tempting first."""

    question: Question
    right: Chunk
    wrong: tuple[Chunk, ...]


def tempting_groups(
    questions: Sequence[Question], vectors: NDArray[np.float32], corpus: "Corpus"
) -> Iterator[Group]:
    """Groups from the hybrid search; a question whose article is nothing but itself is left out."""
    numbers = {name: number for number, name in enumerate(corpus.names)}
    for start in range(0, len(questions), QUESTIONS_AT_ONCE):
        some = questions[start : start + QUESTIONS_AT_ONCE]
        scores = corpus.fused([q.text for q in some], vectors[start : start + len(some)])
        for question, row in zip(some, scores, strict=True):
            group = _group(question, row, numbers.get(question.document, -1), corpus)
            if group is not None:
                yield group


def _group(
    question: Question, scores: NDArray[np.float32], number: int, corpus: "Corpus"
) -> Group | None:
    own = np.flatnonzero(corpus.documents == number).tolist()
    start = " ".join(plain_words(question.text).split()[:5])
    others = [place for place in own if start not in plain_words(corpus.chunks[place].text)]
    if not others:
        return None
    right = max(others, key=lambda place: float(scores[place]))
    wrong = [place for place in corpus.best_chunks(scores, DEPTH)
             if corpus.documents[place] != number
             and corpus.vectors[place] @ corpus.vectors[right] < SAME_COSINE]  # fmt: skip
    return Group(question, corpus.chunks[right], tuple(corpus.chunks[place] for place in wrong))


def shown(chunk: Chunk, title: bool, heading: bool) -> str:
    """A chunk as the re-ranker reads it, perhaps without its title or its first heading."""
    headings = chunk.headings if heading else chunk.headings[1:]
    return Piece(chunk.title if title else "", headings, chunk.text).embedding_text


def rows_of(group: Group, negatives: int, chance: random.Random) -> list[tuple[str, str]]:
    """Question and passage, the right one first, then `negatives` wrong ones."""
    title = chance.random() < group.question.keep_title
    heading = chance.random() < group.question.keep_heading
    wrong = chance.sample(group.wrong, min(negatives, len(group.wrong)))
    return [(group.question.text, shown(chunk, title, heading)) for chunk in (group.right, *wrong)]


def duplicate_rows(
    path: Path, negatives: int, chance: random.Random
) -> list[list[tuple[str, str]]]:
    """Groups of duplicate questions: one with the same answer, look-alikes with another."""
    same: dict[str, str] = {}
    other: defaultdict[str, list[str]] = defaultdict(list)
    for line in path.open(encoding="utf-8"):
        row = json.loads(line)
        for one, two in ((row["text_a"], row["text_b"]), (row["text_b"], row["text_a"])):
            if int(row["label"]) == 1:
                same[one] = two
            else:
                other[one].append(two)
    everything = sorted(other)
    groups = []
    for one in sorted(same.keys() & other.keys()):
        wrong = other[one][: negatives // 2]
        wrong += chance.sample(everything, negatives - len(wrong))
        groups.append([(one, passage) for passage in (same[one], *wrong)])
    chance.shuffle(groups)
    return groups
