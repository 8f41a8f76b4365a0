"""Pairs out of hand-written questions in groups: one answer a block, look-alikes side by side.

A file is families of blocks of lines:

    # family: cancel or pause
    How do I cancel my plan?
    end my subscription

    How do I pause my plan?
    take a break from my subscription

Lines of one block want one answer; blocks of one family want different answers in like words.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path

from services.cache.pairs import Pair

Block = tuple[str, ...]
Family = tuple[Block, ...]

_HEADING = "# family:"


def read(path: Path) -> list[Family]:
    """The families of a file; other lines that begin with `#` are comments.

    Raises:
        ValueError: a question before the first family or in two blocks of one; names the line.
    """
    families: list[list[list[str]]] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.strip()
        if text.startswith(_HEADING):
            families.append([[]])
        elif text.startswith("#"):
            continue
        elif not families and text:
            raise ValueError(f"{path.name}, line {number}: no `{_HEADING} …` above it")
        elif not text:
            families[-1:] = [[*family, []] for family in families[-1:]]
        elif any(text in block for block in families[-1]):
            raise ValueError(f"{path.name}, line {number}: {text!r} is in this family already")
        else:
            families[-1][-1].append(text)
    return [tuple(tuple(block) for block in family if block) for family in families]


def pairs(families: Sequence[Family], per_positive: float, seed: int) -> list[Pair]:
    """All pairs within blocks, and `per_positive` times as many across blocks of one family."""
    same = [Pair(a, b, 1) for family in families for block in family
            for a, b in combinations(block, 2)]  # fmt: skip
    apart = [pair for family in families for pair in _across(family)]
    chance = random.Random(seed)
    return same + chance.sample(apart, min(len(apart), round(per_positive * len(same))))


def _across(family: Family) -> Iterator[Pair]:
    for one, other in combinations(family, 2):
        yield from (Pair(a, b, 0) for a, b in product(one, other))
