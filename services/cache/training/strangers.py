"""Pairs of messages with different intents that look alike: what a cache must not take for one.

Near misses are questions a person wrote to be confused. Real traffic has others, which nobody would
write down: "flames at the back of the machine" beside "coffee tastes burnt". A file of messages
labelled for the router has thousands; the nearest ones of another intent make the pairs.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.cache.pairs import Pair
from shared.embeddings import Embedder, open_embedder

AMONG = 8  # nearest messages of other intents, from which …
EACH = 3  # … so many are drawn
MOST_MESSAGES = 4_000  # of one file


def pairs(paths: Sequence[Path], seed: int) -> list[Pair]:
    """Label 0 all of them; from JSONL files of `text` and `intent`, never across files."""
    embedder = open_embedder("support:", threads=1)
    return [pair for path in paths for pair in _of_file(path, embedder, random.Random(seed))]


def _of_file(path: Path, embedder: Embedder, chance: random.Random) -> list[Pair]:
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = chance.sample(rows, min(len(rows), MOST_MESSAGES))
    texts, intents = [row["text"] for row in rows], np.array([row["intent"] for row in rows])
    vectors = embedder.embed(texts)
    found = []
    for place, text in enumerate(texts):
        others = np.flatnonzero(intents != intents[place])
        nearest = others[np.argsort(-(vectors[others] @ vectors[place]))[:AMONG]].tolist()
        drawn = chance.sample(nearest, min(EACH, len(nearest)))
        found += [Pair(text, texts[other], 0) for other in drawn]
    return found
