"""What documents do not cover: unanswered questions grouped and named, articles judged."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.words import content_words

Vectors = NDArray[np.float32]

SAME_SUBJECT_COSINE = 0.58  # the shop's 56 unanswerable questions, all different: .56 at most
EXAMPLES = 3
NAME_WORDS = 3
MIN_DOWN = 2  # one thumb is an accident
MIN_DOWN_SHARE = 0.3
_BLOCK = 512  # rows of the similarity matrix at once


@dataclass(frozen=True)
class Gap:
    """Questions about one subject that no passage answers."""

    name: str  # completes "write an article about …"
    count: int
    examples: tuple[str, ...]  # the most typical ones first


@dataclass(frozen=True)
class Article:
    """A document as the report speaks of it."""

    id: str
    title: str
    source: str = ""
    used: int = 0
    up: int = 0
    down: int = 0


@dataclass(frozen=True)
class Observed:
    """What happened in the days of a report."""

    questions: int = 0
    relevant: int = 0
    unanswered: Sequence[str] = ()
    vectors: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32))
    articles: Sequence[Article] = ()


def report_of(seen: Observed, days: int) -> dict[str, Any]:
    """The coverage report as JSON."""
    gaps = gaps_of(seen.unanswered, seen.vectors)
    unused = [article for article in seen.articles if not article.used]
    return {
        "days": days,
        "questions": seen.questions,
        "answerable_share": round(seen.relevant / seen.questions, 4) if seen.questions else None,
        "total_gaps": len(gaps),
        "gaps": [
            {"name": gap.name, "count": gap.count, "examples": list(gap.examples)} for gap in gaps
        ],
        "unused": [{"id": a.id, "title": a.title, "source": a.source} for a in unused],
        "disliked": [
            {"id": a.id, "title": a.title, "source": a.source, "up": a.up, "down": a.down}
            for a in disliked(seen.articles)
        ],
    }


def disliked(articles: Sequence[Article]) -> list[Article]:
    """Articles whose answers got many thumbs down, the worst first."""
    found = [
        article
        for article in articles
        if article.down >= MIN_DOWN and article.down >= MIN_DOWN_SHARE * (article.up + article.down)
    ]
    return sorted(found, key=lambda article: (-article.down, article.up, article.id))


def gaps_of(texts: Sequence[str], vectors: Vectors) -> list[Gap]:
    """Groups of questions, the most asked first; `vectors` is [n, dimensions], unit length."""
    if not texts:
        return []
    groups = grouped(vectors)
    frequency = Counter(
        word
        for group in groups
        for word in {w.stem for i in group for w in content_words(texts[i])}
    )
    named = [_gap([texts[i] for i in group], frequency, len(groups)) for group in groups]
    return sorted(named, key=lambda gap: (-gap.count, gap.name))


def grouped(vectors: Vectors, least_cosine: float = SAME_SUBJECT_COSINE) -> list[list[int]]:
    """Rows that mean nearly the same, each in one group, the group's centre first.

    The row with most neighbours makes the first group; what it takes, no later group gets.
    Source: "fast clustering" of sentence-transformers (`util.community_detection`).
    """
    near = [
        np.flatnonzero(row >= least_cosine)
        for start in range(0, len(vectors), _BLOCK)
        for row in vectors[start : start + _BLOCK] @ vectors.T
    ]
    left = set(range(len(vectors)))
    groups = []
    for centre in sorted(range(len(near)), key=lambda row: (-len(near[row]), row)):
        if centre not in left:
            continue
        members = [int(row) for row in near[centre] if row in left and row != centre]
        members.sort(key=lambda row: (-float(vectors[row] @ vectors[centre]), row))
        groups.append([centre, *members])
        left -= {centre, *members}
    return groups


def _gap(texts: Sequence[str], frequency: Mapping[str, int], groups: int) -> Gap:
    return Gap(
        name=name_of(texts, frequency, groups),
        count=len(texts),
        examples=tuple(dict.fromkeys(texts))[:EXAMPLES],
    )


def name_of(texts: Sequence[str], frequency: Mapping[str, int], groups: int) -> str:
    """The words that tell a group from the others, in the order its most typical text has them.

    Source: class-based TF-IDF, Grootendorst 2022, "BERTopic".
    """
    counts = Counter(stem for text in texts for stem in {w.stem for w in content_words(text)})
    spoken: dict[str, str] = {}
    for text in texts:
        for word in content_words(text):
            spoken.setdefault(word.stem, word.text if word.is_name else word.text.lower())
    rare = {stem: np.log1p(groups / frequency.get(stem, 1)) for stem in counts}
    best = sorted(spoken, key=lambda stem: -counts[stem] * rare[stem])[:NAME_WORDS]
    return " ".join(word for stem, word in spoken.items() if stem in best) or texts[0]
