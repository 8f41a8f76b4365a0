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


@dataclass(frozen=True)
class Pair:
    """A question, the passage that answers it, and the group of its look-alikes."""

    question: str
    passage: str
    group: str  # documents of one group make hard negatives for each other
    document: str


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
            if len(text.split()) >= MIN_WORDS and not PROBLEM.match(head)]  # fmt: skip
    problems = [text for head, text in article.sections if PROBLEM.match(head)]
    questions = [(_cut(text, QUESTION_WORDS), 0.8) for text in problems]
    questions += [(article.title, 0.0)]
    if article.first_heading and article.first_heading != article.title:
        questions.append((article.first_heading, 0.5))
    for question, keep_title in questions:
        for head, text in rest[:2]:
            yield _pair(article, question, head, text, chance.random() < keep_title)
    for head, text in rest:
        sentence, _, remainder = text.partition(". ")
        if re.match(r"cause", head, re.I) and len(remainder.split()) >= MIN_WORDS:
            yield _pair(article, _cut(sentence, QUESTION_WORDS), head, remainder, True)
        elif len(head.split()) >= MIN_WORDS:
            yield _pair(article, f"{article.title} {head}", "", text, False)


def _pair(article: Article, question: str, head: str, text: str, with_title: bool) -> Pair:
    prefix = [article.title if with_title else "", head]
    passage = "\n".join(part for part in (*prefix, _cut(text, PASSAGE_WORDS)) if part)
    return Pair(question, passage, _group(article.name), article.name)


def mine_folder(folder: Path, seed: int = 0) -> list[Pair]:
    """Pairs of every Markdown file in `folder`, in a fixed order."""
    chance = random.Random(seed)
    pairs = [pair for path in sorted(folder.rglob("*.md"))
             for pair in mine(read_article(path), chance)]  # fmt: skip
    return [pair for pair in pairs if len(pair.question.split()) >= MIN_WORDS]


def batches(pairs: list[Pair], size: int, seed: int) -> list[list[Pair]]:
    """Batches of one group each where it can be, no document twice in a batch, in random order."""
    chance = random.Random(seed)
    shuffled = sorted(pairs, key=lambda pair: (pair.group, chance.random()))
    waiting: list[Pair] = shuffled
    made: list[list[Pair]] = []
    while waiting:
        batch: list[Pair] = []
        left: list[Pair] = []
        taken: set[str] = set()
        for pair in waiting:
            if len(batch) < size and pair.document not in taken:
                batch.append(pair)
                taken.add(pair.document)
            else:
                left.append(pair)
        made.append(batch)
        waiting = left
    full = [batch for batch in made if len(batch) >= size // 2]
    chance.shuffle(full)
    return full
