"""A question beside a remembered one: what the second check is asked about."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from shared.embeddings import Embedder


class Likeness(NamedTuple):
    """`cosine`: of the vectors of the two."""

    asked: str
    remembered: str
    cosine: float


def compared(pairs: Sequence[tuple[str, str]], embedder: Embedder) -> list[Likeness]:
    """Pairs of (asked, remembered) with their cosines, for those that no look-up has found."""
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    row = {text: number for number, text in enumerate(texts)}
    vectors = embedder.embed(texts)
    sides = [vectors[[row[pair[side]] for pair in pairs]] for side in (0, 1)]
    cosines = np.sum(sides[0] * sides[1], axis=1).tolist()
    return [Likeness(*pair, cosine) for pair, cosine in zip(pairs, cosines, strict=True)]
