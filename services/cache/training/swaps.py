"""More pairs by swapping what decides: "… to Spain" is not "… to Italy", though all else agrees."""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.cache.pairs import Pair

Group = tuple[str, ...]
_NUMBER = re.compile(r"(?<![\d.,])\d{1,4}(?![\d.,]*\d)")


def read(path: Path) -> list[Group]:
    """Groups of words from a text file: one group a line, commas between, `#` for a comment.

    Raises:
        ValueError: a group of one word; the message names the line.
    """
    groups: list[Group] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        words = tuple(word.strip() for word in line.split("#")[0].split(",") if word.strip())
        if len(words) == 1:
            raise ValueError(f"{path.name}, line {number}: {words[0]!r} has no other to swap with")
        if words:
            groups.append(words)
    return groups


def more(pairs: Sequence[Pair], groups: Sequence[Group], most: int, seed: int) -> list[Pair]:
    """At most `most` pairs out of the positive ones: a word both have, swapped in one or in both.

    Swapped in one question the pair is negative, in both it stays positive; two thirds are the
    former, for look-alikes with another answer are what a plain data set lacks.
    """
    chance = random.Random(seed)
    found = [made for pair in pairs if pair.label for made in _of(pair, groups, chance)]
    chance.shuffle(found)
    return found[:most]


def _of(pair: Pair, groups: Sequence[Group], chance: random.Random) -> Iterator[Pair]:
    for old, others in _shared(pair, groups, chance):
        new = chance.choice(others)
        a, b = replaced(pair.text_a, old, new), replaced(pair.text_b, old, new)
        if chance.random() < 0.5:
            yield Pair(a, pair.text_b, 0)
        else:
            yield Pair(pair.text_a, b, 0)
        if chance.random() < 0.5:
            yield Pair(a, b, 1)


def _shared(
    pair: Pair, groups: Sequence[Group], chance: random.Random
) -> Iterator[tuple[str, list[str]]]:
    """(word that both have, what may stand in its place)."""
    for group in groups:
        both = [word for word in group if _has(pair.text_a, word) and _has(pair.text_b, word)]
        others = [w for w in group if not _has(pair.text_a, w) and not _has(pair.text_b, w)]
        if len(both) == 1 and others:
            yield both[0], others
    numbers = set(_NUMBER.findall(pair.text_a)) & set(_NUMBER.findall(pair.text_b))
    for number in sorted(numbers):
        value = int(number)
        yield number, [str(value * 2 + 1), str(value + chance.randint(1, 9))]


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, _case(word)) is not None


def replaced(text: str, old: str, new: str) -> str:
    """`new` for the whole word `old`; a capital at the start of the sentence stays one."""
    swapped = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, text, flags=_case(old))
    return swapped[:1].upper() + swapped[1:] if text[:1].isupper() else swapped


def _case(word: str) -> re.RegexFlag:
    """Names ("One") must be written as such; other words may start a sentence."""
    return re.NOFLAG if word[:1].isupper() else re.IGNORECASE
