"""Messages of real kinds against a cache: whom does it answer with another question's answer?

    make bench-strangers

Near misses are written to be confused; these are not. Each test and dev message of the sample shop
(what customers want, but also small talk, other companies, fire and fury) is looked up among the
training messages that documents or an FAQ answer: among all of them, and among a few, as after a
start, when even the nearest neighbour is far. "Other intent" counts hits whose labels differ; some
of those answers would serve all the same.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from services.cache.likeness import Likeness
from services.cache.settings import CacheSettings
from services.cache.verifier import Verifier, open_verifier
from shared.embeddings import Vectors, open_embedder
from shared.settings import Settings, load

MESSAGES = Path(__file__).parents[1] / "sample_shop" / "messages"
ANSWERED = ("faq", "knowledge_base")
DRAWS = {60: 6, 250: 2}  # how many caches of so many entries are drawn; then one of all

Row = dict[str, str]  # `text`, `intent`, `route`
Hit = tuple[Row, Row, Likeness, float]  # asked, remembered, and how sure that is


def read(name: str) -> list[Row]:
    """The labelled messages of one part."""
    lines = (MESSAGES / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def hits(
    asked: Sequence[Row],
    kept: Sequence[Row],
    cosines: Vectors,
    verifier: Verifier,
    settings: CacheSettings,
) -> list[Hit]:
    """What a cache of `kept` answers, as the look-up decides; `cosines`: [asked, kept]."""
    found = []
    for row, near in zip(asked, cosines, strict=True):
        places = [place for place in np.argsort(-near)[: settings.candidates].tolist()
                  if near[place] >= settings.min_similarity
                  and kept[place]["text"].lower() != row["text"].lower()]  # fmt: skip
        pairs = [Likeness(row["text"], kept[place]["text"], float(near[place]))
                 for place in places]  # fmt: skip
        chances = verifier.probabilities(pairs)
        best = max(zip(chances, pairs, places, strict=True), default=None)
        if best is not None and best[0] >= settings.min_probability:
            chance, pair, place = best
            found.append((row, kept[place], pair, chance))
    return found


def is_other(hit: Hit) -> bool:
    asked, remembered, _, _ = hit
    return asked["intent"] != remembered["intent"]


def main() -> None:
    """Look everything up, print counts and every hit of another intent in the full cache."""
    embedder = open_embedder(load(Settings).embedder_url)
    settings = load(CacheSettings)
    verifier = open_verifier(settings.model_dir)
    kept = [row for row in read("train") if row["route"] in ANSWERED]
    asked = read("test") + read("dev")
    vectors = [embedder.embed([row["text"] for row in rows]) for rows in (asked, kept)]
    cosines = vectors[0] @ vectors[1].T
    counts = Table("entries", "asked", "hits", "of another intent")
    found: list[Hit] = []
    for size, draws in track({**DRAWS, len(kept): 1}.items(), console=Console(stderr=True)):
        found = []
        for draw in range(draws):
            places = sorted(random.Random(draw).sample(range(len(kept)), size))
            few = [kept[place] for place in places]
            found += hits(asked, few, cosines[:, places], verifier, settings)
        others = sum(map(is_other, found))
        counts.add_row(*map(str, (size, draws * len(asked), len(found), others)))
    listed = Table("asked", "answered as", "route", "cosine", "chance")
    for row, remembered, pair, chance in filter(is_other, found):
        listed.add_row(row["text"], remembered["text"], row["route"], f"{pair.cosine:.2f}",
                       f"{chance:.2f}")  # fmt: skip
    Console(highlight=False).print(counts, listed)


if __name__ == "__main__":
    main()
