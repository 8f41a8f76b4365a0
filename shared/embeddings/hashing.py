"""An embedder without a model: hashed words and letter trigrams.

It knows no meaning, only shared spelling: "refund" meets "refunds", never "money back". It costs
microseconds, is the same on every machine, and serves unit tests, demonstrations of the flow and
machines on which a model cannot run.
"""

import re
from collections.abc import Iterator, Sequence
from zlib import crc32

import numpy as np

from shared.embeddings.port import Vectors

_WORD = re.compile(r"\w+")
_TRIGRAM_WEIGHT = 0.3  # a word of six letters has six: together twice the word itself


def _features(text: str) -> Iterator[tuple[str, float]]:
    for word in _WORD.findall(text.lower()):
        yield word, 1.0
        padded = f"#{word}#"
        for start in range(len(padded) - 2):
            yield padded[start : start + 3], _TRIGRAM_WEIGHT


class HashingEmbedder:
    """The hashing trick: each feature adds ±weight to one of 384 dimensions.

    Source: Weinberger et al. 2009, "Feature hashing for large scale multitask learning".
    """

    name = "hashing-384"
    dimensions = 384
    max_tokens = 1_000_000

    def embed(self, texts: Sequence[str]) -> Vectors:
        """[n, 384] float32, unit length; the empty text points along the first axis."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for feature, weight in _features(text):
                code = crc32(feature.encode())
                vectors[row, code % self.dimensions] += weight if code & 1 << 31 else -weight
            if not vectors[row].any():
                vectors[row, 0] = 1.0
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / norms, dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """Words of `text`."""
        return len(_WORD.findall(text))
