"""A cheap first re-rank: does a document's headline say what the question says, token by token?

A pooled vector blurs a headline of three facts; here each token of the question looks for its like
among the tokens of title and outermost heading, and the mean of the best cosines is the score. The
passage side is computed when a document is indexed, or first met, and kept: a question then costs
one short run of the embedder.

Source: Khattab & Zaharia 2020, "ColBERT" (MaxSim over token vectors, late interaction).
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from shared.vectors import Chunk

KEPT_HEADLINES = 4096  # about 25 tokens of 384 half floats each: 80 MB at most
LEARNT_AT_ONCE = 16
QUESTION_TOKENS = 64

TokenVectors = NDArray[np.float32]  # [tokens, dimensions], rows of unit length


@runtime_checkable
class TokenEncoder(Protocol):
    """An embedder that gives a vector per token."""

    def token_vectors(self, texts: Sequence[str], max_tokens: int) -> list[TokenVectors]:
        """One array per text, special tokens left out; texts are cut at `max_tokens`."""
        ...


def headline_of(chunk: Chunk) -> str:
    """Title and outermost heading: what its author says a document is about."""
    return "\n".join(part for part in (chunk.title, *chunk.headings[:1]) if part)


def telling(headlines: Sequence[str]) -> bool:
    """Whether each document has a headline of its own: else they tell nobody apart."""
    return all(headlines) and 0 < len(set(headlines)) == len(headlines)


class HeadlineMatcher:
    """Scores headlines for a question. Thread-safe, synchronous."""

    def __init__(self, encoder: TokenEncoder, kept: int = KEPT_HEADLINES) -> None:
        self._encoder = encoder
        self._kept = kept
        self._known: OrderedDict[str, NDArray[np.float16]] = OrderedDict()
        self._lock = threading.Lock()

    def scores(self, question: str, headlines: Sequence[str]) -> list[float]:
        """Mean over the question's tokens of the best cosine, per headline: -1 to 1."""
        asked = self._encoder.token_vectors([question], QUESTION_TOKENS)[0]
        matches = {h: _max_sim(asked, tokens) for h, tokens in self._tokens(headlines).items()}
        return [matches[headline] for headline in headlines]

    def learn(self, headlines: Sequence[str]) -> None:
        """Compute what will be asked for, while there is room for more."""
        for start in range(0, len(headlines), LEARNT_AT_ONCE):
            if len(self._known) < self._kept:
                self._tokens(headlines[start : start + LEARNT_AT_ONCE])

    def _tokens(self, headlines: Sequence[str]) -> dict[str, NDArray[np.float16]]:
        with self._lock:
            found = {h: self._known[h] for h in headlines if h in self._known}
        missing = [headline for headline in dict.fromkeys(headlines) if headline not in found]
        if missing:
            vectors = self._encoder.token_vectors(missing, QUESTION_TOKENS)
            found |= {h: v.astype(np.float16) for h, v in zip(missing, vectors, strict=True)}
        with self._lock:
            for headline, tokens in found.items():
                self._known[headline] = tokens
                self._known.move_to_end(headline)
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        return found


def _max_sim(asked: TokenVectors, tokens: NDArray[np.float16]) -> float:
    if not len(asked) or not len(tokens):
        return 0.0
    return float((asked @ tokens.T.astype(np.float32)).max(axis=1).mean())
