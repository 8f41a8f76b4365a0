"""Documents to chunks: along headings and sentences, counted in the embedder's own tokens.

A chunk never crosses a heading, so that its heading path is true of all of it. A section longer
than a chunk is cut between paragraphs, else between sentences, else wherever it must.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from semantic_text_splitter import MarkdownSplitter

from services.retrieval.reading.html import read_html
from shared.embeddings import TokenCounter

CHUNK_RECIPE = (
    3  # raise it when chunking or word weights change: stored chunks and cached answers end with it
)
TARGET_TOKENS = 200  # MiniLM was trained on texts of up to 128 to 256 tokens
MAX_TOKENS = 500
JOIN_TOKENS = 2  # two paragraphs put together may count a little more than each alone
MIN_TOKENS = 40  # a shorter section joins its neighbour under the same parent heading
# WordPiece calls a word of a megabyte one unknown token: letters count as well.
MAX_CHARACTERS_PER_TOKEN = 10
_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.+?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
# Bounded, so that a megabyte of brackets takes no hour.
_LINK = re.compile(
    r"!?\[([^\[\]]{0,1000})\]\((?:[^()\s]|\([^()]{0,200}\)){0,2000}(?:\s+\"[^\"]{0,300}\")?\)"
)
_NOISE = re.compile(r"^> ?\[!\w+\]\s*$|&nbsp;", re.M)
_EMPHASIS = re.compile(r"[*`#>|]+|(?<!\w)_+|_+(?!\w)")


def recipe_of(embedder_name: str) -> str:
    """The knowledge version: how chunks and vectors are made."""
    return f"{embedder_name}-{CHUNK_RECIPE}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a document to be found on its own."""

    title: str
    headings: tuple[str, ...]  # from the outermost to the innermost, the title left out
    text: str  # Markdown without link targets: for reading and citing

    @property
    def heading(self) -> str:
        """The heading path as people read it."""
        return " › ".join(self.headings)

    @property
    def embedding_text(self) -> str:
        """What is embedded: title and heading path first, then the words without markup."""
        parts = (self.title, self.heading, plain_words(self.text))
        return "\n".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Section:
    """The text directly under a heading, and the path of headings above it."""

    path: tuple[str, ...]
    text: str


def html_to_markdown(html: str) -> str:
    """Markdown with `#` headings; scripts, styles and navigation are left out."""
    return read_html(html).markdown


def tidy(markdown: str) -> str:
    """Text for reading and citing: links keep their words, note markers and comments go."""
    without_links = _LINK.sub(r"\1", _NOISE.sub("", _without_comments(markdown)))
    return re.sub(r"\n{3,}", "\n\n", without_links).strip()


def _without_comments(markdown: str) -> str:
    kept: list[str] = []
    start = 0
    while (begin := markdown.find("<!--", start)) >= 0:
        end = markdown.find("-->", begin)
        if end < 0:
            break
        kept.append(markdown[start:begin])
        start = end + 3
    return "".join([*kept, markdown[start:]])


def plain_words(markdown: str) -> str:
    """Text for the models: no markup at all, single spaces."""
    return " ".join(_EMPHASIS.sub(" ", markdown).split())


def sections_of(markdown: str) -> Iterator[Section]:
    """The sections in reading order; `#` lines inside fenced code are no headings."""
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in markdown.splitlines():
        mark = _FENCE.match(line)
        if mark and (not fence or mark.group(1).startswith(fence)):
            fence = "" if fence else mark.group(1)
        heading = None if fence else _HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield Section(tuple(name for _, name in path), tidy("\n".join(lines)))
        lines = []
        level = len(heading.group(1))
        path = [item for item in path if item[0] < level]
        path.append((level, plain_words(tidy(heading.group(2)))))
    yield Section(tuple(name for _, name in path), tidy("\n".join(lines)))


def chunk_document(
    text: str,
    *,
    title: str,
    embedder: TokenCounter,
    html: bool = False,
    max_tokens: int = TARGET_TOKENS,
) -> list[Piece]:
    """The pieces of a document in reading order, each ≤ `max_tokens` (32 to 500) of the embedder.

    The title and the heading path come on top of that. Empty text gives no pieces; a document of
    headings only gives one that repeats its title.
    """
    markdown = html_to_markdown(text) if html else text
    sections = list(sections_of(markdown))
    cutter = _Cutter(embedder, max_tokens)
    pieces = [
        Piece(title, section.path, part)
        for section in cutter.joined(_below_title(sections, title))
        for part in cutter.parts(section.text)
    ]
    if not pieces and any(section.path for section in sections):
        return [Piece(title, (), title)]
    return pieces


class _Cutter:
    """Joins sections that are too small and cuts those that are too large."""

    def __init__(self, counter: TokenCounter, max_tokens: int) -> None:
        self._counter = counter
        self._splitter = MarkdownSplitter.from_callback(self._count, max_tokens)
        self._max_tokens = max_tokens

    def _count(self, text: str) -> int:
        return max(self._counter.count_tokens(text), len(text) // MAX_CHARACTERS_PER_TOKEN)

    def parts(self, text: str) -> list[str]:
        if self._count(text) <= self._max_tokens:
            return [text] if text else []
        return list(self._splitter.chunks(text))

    def joined(self, sections: Iterable[Section]) -> Iterator[Section]:
        held: Section | None = None
        for section in sections:
            if not section.text:
                continue
            if held is not None and self._fit(held, section):
                held = Section(held.path, f"{held.text}\n\n{_inline(held, section)}")
                continue
            if held is not None:
                yield held
            held = section
        if held is not None:
            yield held

    def _fit(self, held: Section, now: Section) -> bool:
        if now.path[: len(held.path)] != held.path:
            return False
        sizes = (self._count(held.text), self._count(_inline(held, now)))
        return min(sizes) < MIN_TOKENS and sum(sizes) <= self._max_tokens - JOIN_TOKENS


def _below_title(sections: list[Section], title: str) -> Iterator[Section]:
    """The sections with the heading left out of their paths that only repeats the title."""
    tops = {section.path[0] for section in sections if section.path}
    repeats = len(tops) == 1 and next(iter(tops)).casefold() == title.casefold()
    for section in sections:
        yield Section(section.path[1:], section.text) if repeats else section


def _inline(held: Section, now: Section) -> str:
    """The text of a section that joins another, under its own heading as a bold line."""
    own = now.path[len(held.path) :]
    return f"**{own[-1]}**\n\n{now.text}" if own else now.text
