"""Question pairs cleaned, and held out so that no question is on both sides."""

import json
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from services.cache.pairs import Pair

_MOST_EQUAL = 10  # questions in a component from which pairs are derived


class Components:
    """Questions that pairs connect, however far (union-find)."""

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._parent: dict[str, str] = {}
        for pair in pairs:
            self._parent[self.of(pair.text_a)] = self.of(pair.text_b)

    def of(self, question: str) -> str:
        """The question that stands for the component; case does not count."""
        found = question.strip().lower()
        while (up := self._parent.setdefault(found, found)) != found:
            self._parent[found] = found = self._parent[up]
        return found


def clean(pairs: Iterable[Pair]) -> list[Pair]:
    """Each unordered pair once; those labelled both ways, or of one text twice, not at all."""
    labels: dict[tuple[str, ...], set[int]] = defaultdict(set)
    first: dict[tuple[str, ...], Pair] = {}
    for pair in pairs:
        labels[pair.key].add(pair.label)
        first.setdefault(pair.key, pair)
    return [
        pair
        for (one, other), pair in first.items()
        if len(labels[one, other]) == 1 and one != other and one
    ]


@dataclass(frozen=True)
class Split:
    """`apart`: no question of it is in `train`; `random`: pairs drawn without such care."""

    train: list[Pair]
    apart: list[Pair]
    random: list[Pair]


def split(pairs: Sequence[Pair], apart: int, at_random: int, seed: int) -> Split:
    """At most `apart` and `at_random` pairs held out, the rest to train on.

    Components of more than a fiftieth of `apart` stay in `train`: one topic must not be the figure.
    """
    components, members = Components(pairs), defaultdict(list)
    for pair in pairs:
        members[components.of(pair.text_a)].append(pair)
    chance = random.Random(seed)
    groups = sorted(members.values(), key=lambda group: group[0].text_a)
    chance.shuffle(groups)
    held: list[Pair] = []
    rest: list[Pair] = []
    for group in groups:
        fits = len(group) <= max(1, apart // 50) and len(held) + len(group) <= apart
        (held if fits else rest).extend(group)
    chance.shuffle(rest)
    return Split(rest[at_random:], held, rest[:at_random])


def closure(pairs: Sequence[Pair], most: int, seed: int) -> list[Pair]:
    """At most `most` pairs that follow from these: a=b and b=c make a=c; a=b and b≠c make a≠c.

    Half of them positive where there are as many. Components of more than ten equal questions are
    left out: one wrong link would make dozens of wrong pairs.
    """
    same = Components(pair for pair in pairs if pair.label)
    members: dict[str, set[str]] = defaultdict(set)
    for pair in pairs:
        for text in (pair.text_a, pair.text_b):
            members[same.of(text)].add(text)
    known = {pair.key for pair in pairs}
    found: dict[int, dict[tuple[str, ...], Pair]] = {0: {}, 1: {}}
    for pair in pairs:
        left, right = members[same.of(pair.text_a)], members[same.of(pair.text_b)]
        is_contradicted = not pair.label and left is right
        if is_contradicted or max(len(left), len(right)) > _MOST_EQUAL:
            continue
        for a, b in product(sorted(left), sorted(right)):
            made = Pair(a, b, pair.label)
            if len(set(made.key)) == 2 and made.key not in known:
                found[pair.label][made.key] = made
    chance = random.Random(seed)
    drawn: list[Pair] = []
    for label in (1, 0):
        kind = list(found[label].values())
        drawn += chance.sample(kind, min(len(kind), most // 2))
    return drawn


def write(path: Path, pairs: Iterable[Pair]) -> None:
    """JSONL of `text_a`, `text_b`, `label`."""
    lines = [json.dumps(pair.__dict__, ensure_ascii=False) for pair in pairs]
    path.write_text("".join(line + "\n" for line in lines), "utf-8")
