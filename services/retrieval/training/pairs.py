"""Question-like texts and the passages that answer them, mined from the documents themselves.

A help article already holds its questions: the title, the section that describes the problem, its
headings. Each is taken out and paired with what is left, so that a model learns to bridge the words
of a symptom and those of its cause and cure. No query file is read here.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PROBLEM = re.compile(
    r"^(symptoms?|problems?|issues?|introduction|summary|scenario|error|description)\b", re.I
)
_HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$", re.M)
_FRONT = re.compile(r"\A---\n(.*?)\n---\n", re.S)
_TITLE = re.compile(r'^title:\s*"?(.*?)"?\s*$', re.M)
_MARKUP = re.compile(r"!?\[([^\]]*)\]\([^)]*\)|[*_`>#|]+|&nbsp;|\[!\w+\]")
_BOILERPLATE = re.compile(r"_?Original (KB|product)[^\n]*|^Still need help[^\n]*", re.M)
MIN_WORDS = 4
QUESTION_WORDS = 45  # a customer's message is rarely longer
PASSAGE_WORDS = 110
NEIGHBOURS = 16  # questions alike that share a batch


@dataclass(frozen=True)
class Pair:
    """A question, the passage that answers it, and the group of its look-alikes."""

    question: str
    passage: str
    group: str  # documents of one group make hard negatives for each other
    document: str


@dataclass(frozen=True)
class Question:
    """A text that asks for a document, and what of the document it would give away."""

    text: str
    document: str
    keep_title: float  # how often the title may stay in sight, 0 to 1
    keep_heading: float  # how often the first heading may


@dataclass(frozen=True)
class Article:
    """A document cut at its headings."""

    name: str
    title: str
    first_heading: str
    sections: tuple[tuple[str, str], ...]  # heading, plain text


def plain(markdown: str) -> str:
    """The words of Markdown on one line, without markup and link targets."""
    return " ".join(_MARKUP.sub(r" \1 ", _BOILERPLATE.sub("", markdown)).split())


def read_article(path: Path) -> Article:
    """The article in a Markdown file, with or without front matter."""
    raw = path.read_text(encoding="utf-8", errors="replace")
    front = _FRONT.match(raw)
    body = raw[front.end() :] if front else raw
    title = _TITLE.search(front.group(1)) if front else None
    marks = list(_HEADING.finditer(body))
    first = next((plain(m.group(2)) for m in marks if len(m.group(1)) == 1), "")
    starts = [m.end() for m in marks]
    ends = [*(m.start() for m in marks[1:]), len(body)][: len(marks)]
    sections = tuple(
        (plain(m.group(2)), plain(body[start:end]))
        for m, start, end in zip(marks, starts, ends, strict=True)
    )
    name = title.group(1) if title else first or path.stem.replace("-", " ")
    return Article(path.stem, plain(name), first, sections)


def _cut(text: str, words: int) -> str:
    return " ".join(text.split()[:words])


def _group(name: str) -> str:
    return "__".join(name.split("__")[:2])


def mine(article: Article, chance: random.Random) -> Iterator[Pair]:
    """All pairs of one article; `chance` decides how much context each passage keeps."""
    rest = [(head, text) for head, text in article.sections
            if len(text.split()) >= MIN_WORDS and not PROBLEM.match(head)
            and head != article.first_heading]  # fmt: skip
    for question in questions_of(article):
        for head, text in rest[:2]:
            title = article.title if chance.random() < question.keep_title else ""
            above = article.first_heading if chance.random() < question.keep_heading else ""
            yield _pair(article, question.text, title, (above, head), text)
    yield from _inner_pairs(article, rest)


def questions_of(article: Article) -> Iterator[Question]:
    """Texts that ask for the article.

    A symptom is told twice as a customer would, whole and by its first sentence; title, heading and
    file name each describe the same trouble in words of their own.
    """
    name = " ".join(re.split(r"[-_.]+", article.name.rpartition("__")[2]))
    same = article.first_heading.casefold() == article.title.casefold()
    found = [(article.title, 0.0, 0.0 if same else 0.5), (name, 0.5, 0.5)]
    if not same:
        found.append((article.first_heading, 0.5, 0.0))
    for head, text in article.sections:
        if PROBLEM.match(head):
            found.append((_cut(text, QUESTION_WORDS), 0.8, 0.6))
            found.append((_first_sentence(text), 0.9, 0.6))
        elif head == article.first_heading:
            found.append((_first_sentence(text), 0.8, 0.6))
    for text, keep_title, keep_heading in found:
        if len(text.split()) >= MIN_WORDS:
            yield Question(text, article.name, keep_title, keep_heading)


def _inner_pairs(article: Article, rest: list[tuple[str, str]]) -> Iterator[Pair]:
    """A cause asks for its cure; a telling heading under its title asks for its section."""
    for number, (head, text) in enumerate(rest):
        if re.match(r"cause", head, re.I) and number + 1 < len(rest):
            below = (article.first_heading, rest[number + 1][0])
            yield _pair(article, _first_sentence(text), article.title, below, rest[number + 1][1])
        elif len(head.split()) >= MIN_WORDS:
            yield _pair(article, f"{article.title} {head}", "", (), text)


def _first_sentence(text: str) -> str:
    return _cut(re.split(r"(?<=[.!?:]) ", text, maxsplit=1)[0], QUESTION_WORDS)


def _pair(article: Article, question: str, title: str, path: tuple[str, ...], text: str) -> Pair:
    """The passage looks as a chunk does when it is embedded: title, heading path, words."""
    above = [part for part in path if part and part.casefold() != title.casefold()]
    parts = (title, " › ".join(above), _cut(text, PASSAGE_WORDS))
    passage = "\n".join(part for part in parts if part)
    return Pair(question, passage, _group(article.name), article.name)


def mine_folder(folder: Path, seed: int = 0) -> list[Pair]:
    """Pairs of every Markdown file in `folder`, in a fixed order."""
    chance = random.Random(seed)
    pairs = [pair for path in sorted(folder.rglob("*.md"))
             for pair in mine(read_article(path), chance)]  # fmt: skip
    return [pair for pair in pairs if len(pair.question.split()) >= MIN_WORDS]


def batches(
    pairs: list[Pair], vectors: NDArray[np.float32], size: int, seed: int
) -> list[list[Pair]]:
    """Batches in random order, each of a few neighbourhoods of questions, no document twice in one.

    `vectors` [pairs, dimensions] are the questions' own. Neighbours make each other's passages hard
    negatives at no cost. Source: Dahiya et al. 2023, "NGAME: Negative Mining-aware Mini-batching".
    """
    random_order = np.random.default_rng(seed).permutation(len(pairs))
    open_mask = np.ones(len(pairs), dtype=bool)
    hoods: list[list[Pair]] = []
    for start in random_order:
        if not open_mask[start]:
            continue
        likeness = np.where(open_mask, vectors @ vectors[start], -2.0)
        nearest = np.argpartition(-likeness, min(4 * NEIGHBOURS, len(pairs) - 1))[: 4 * NEIGHBOURS]
        nearest = nearest[np.argsort(-likeness[nearest])]
        taken: dict[str, int] = {}
        for index in (int(start), *nearest.tolist()):
            if open_mask[index] and len(taken) < NEIGHBOURS:
                taken.setdefault(pairs[index].document, index)
        open_mask[list(taken.values())] = False
        hoods.append([pairs[index] for index in taken.values()])
    random.Random(seed).shuffle(hoods)
    return _joined(hoods, size)


def _joined(hoods: list[list[Pair]], size: int) -> list[list[Pair]]:
    made: list[list[Pair]] = []
    batch: dict[str, Pair] = {}
    for pair in (pair for hood in hoods for pair in hood):
        batch.setdefault(pair.document, pair)
        if len(batch) == size:
            made.append(list(batch.values()))
            batch = {}
    return made
