"""The sample shop's pairs through the cache's whole decision: cosine, classifier, rules.

make bench-pairs            a table
… --show                    also each wrong answer and each miss
… --split dev               only the pairs marked so; for choosing thresholds
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from services.cache.likeness import Likeness, compared
from services.cache.settings import CacheSettings
from services.cache.verifier import open_verifier
from shared.embeddings import open_embedder
from shared.settings import Settings, load

SHOP = Path(__file__).parents[1] / "sample_shop"
FILES = {
    "near misses": "pairs_near_miss",
    "rewordings": "pairs_rewordings",
    "near misses, held out": "pairs_heldout_near_miss",
    "rewordings, held out": "pairs_heldout_rewordings",
}


@dataclass(frozen=True)
class Judged:
    """The pairs of one file and what each check says of them."""

    pairs: list[Likeness]
    chances: NDArray[np.float64]

    def near(self, settings: CacheSettings) -> NDArray[np.bool_]:
        return np.array([pair.cosine >= settings.min_similarity for pair in self.pairs])

    def sure(self, settings: CacheSettings) -> NDArray[np.bool_]:
        return self.chances >= settings.min_probability


def judged(path: Path, split: str, settings: CacheSettings) -> Judged:
    """As a question `text_b` would meet the remembered `text_a`."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = [row for row in rows if not split or row.get("split") == split]
    embedder = open_embedder(load(Settings).embedder_url)
    pairs = compared([(row["text_b"], row["text_a"]) for row in rows], embedder)
    return Judged(pairs, np.array(open_verifier(settings.model_dir).probabilities(pairs)))


def table(found: dict[str, Judged], settings: CacheSettings) -> Table:
    """How many of each file pass: the cosine, the second check, both."""
    checks = (f"cosine ≥ {settings.min_similarity}", f"chance ≥ {settings.min_probability}")
    out = Table("pairs", "n", *checks, "both: answered from the cache")
    for name, of in found.items():
        near, sure = of.near(settings), of.sure(settings)
        counts = (near.sum(), sure.sum(), (near & sure).sum())
        out.add_row(name, str(len(of.pairs)), *map(str, counts))
    return out


def curve(found: dict[str, Judged], settings: CacheSettings) -> Table:
    """The pairs answered from the cache at other thresholds of the chance."""
    steps = (0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99)
    out = Table("answered at a chance of", *map(str, steps))
    for name, of in found.items():
        near = of.near(settings)
        out.add_row(name, *(str((near & (of.chances >= step)).sum()) for step in steps))
    return out


def lines(name: str, of: Judged, settings: CacheSettings) -> Sequence[str]:
    """The near misses answered, the rewordings not."""
    hits = of.near(settings) & of.sure(settings)
    wanted = hits if name.startswith("near") else ~hits
    return [
        f"{pair.cosine:.2f} {chance:.3f}  {pair.asked} | {pair.remembered}"
        for pair, chance, shown in zip(of.pairs, of.chances, wanted, strict=True)
        if shown
    ]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--split", default="")
    given = parser.parse_args()
    settings = load(CacheSettings)
    found = {
        name: judged(SHOP / f"{file}.jsonl", given.split, settings) for name, file in FILES.items()
        if not given.split or "held" not in name
    }  # fmt: skip
    out = Console(highlight=False)
    out.print(table(found, settings), curve(found, settings))
    for name, of in found.items() if given.show else ():
        out.print(f"\n[bold]{name}[/bold]", *lines(name, of, settings), sep="\n", markup=True)


if __name__ == "__main__":
    main()
