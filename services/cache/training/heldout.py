"""What a classifier never saw, by digest: a later run that starts from it must not learn it either.

`held_out.txt` lies beside the shipped `model.onnx`. The questions themselves are not kept there:
whoever has the files that were trained on finds them again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from services.cache.pairs import Pair

FILE = "held_out.txt"
_BYTES = 6  # of a digest: two of 150,000 questions meet by chance once in 25,000 files


@dataclass(frozen=True)
class HeldOut:
    """Digests. `apart`: of questions nowhere in training; `random`: of pairs."""

    apart: frozenset[str] = frozenset()
    random: frozenset[str] = frozenset()

    @classmethod
    def of(cls, apart: Iterable[Pair], at_random: Iterable[Pair]) -> "HeldOut":
        questions = {text for pair in apart for text in pair.key}
        return cls(frozenset(map(_digest, questions)), frozenset(map(_pair_digest, at_random)))

    @classmethod
    def read(cls, path: Path) -> "HeldOut":
        """Raises ValueError when a line is neither `apart …` nor `random …`."""
        found: dict[str, set[str]] = {"apart": set(), "random": set()}
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            kind, _, digest = line.partition(" ")
            if kind not in found:
                raise ValueError(f"{path.name}, line {number}: expected `apart` or `random`")
            found[kind].add(digest)
        return cls(frozenset(found["apart"]), frozenset(found["random"]))

    def write(self, path: Path) -> None:
        rows = [f"apart {one}" for one in self.apart] + [f"random {one}" for one in self.random]
        path.write_text("".join(f"{row}\n" for row in sorted(rows)), "utf-8")

    def __or__(self, other: "HeldOut") -> "HeldOut":
        return HeldOut(self.apart | other.apart, self.random | other.random)

    def is_apart(self, pair: Pair) -> bool:
        return any(_digest(text) in self.apart for text in pair.key)

    def is_random(self, pair: Pair) -> bool:
        return _pair_digest(pair) in self.random

    def without(self, pairs: Iterable[Pair]) -> list[Pair]:
        """Those that may be trained on."""
        return [pair for pair in pairs if not (self.is_apart(pair) or self.is_random(pair))]

    def among(self, pairs: Sequence[Pair]) -> tuple[list[Pair], list[Pair]]:
        """(apart, random): the held-out ones."""
        return [p for p in pairs if self.is_apart(p)], [p for p in pairs if self.is_random(p)]


def _digest(text: str) -> str:
    return blake2b(text.encode(), digest_size=_BYTES).hexdigest()


def _pair_digest(pair: Pair) -> str:
    return _digest("\n".join(pair.key))
