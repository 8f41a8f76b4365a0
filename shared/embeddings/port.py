"""What every embedder promises: texts in, unit vectors out."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


class TokenCounter(Protocol):
    """Counts tokens as an embedder does, without its model. Every Embedder is one."""

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes, special tokens left out, without any cut."""
        ...


class Embedder(Protocol):
    """Turns texts into vectors whose dot product is their similarity. Thread-safe, synchronous.

    Call it in an executor: a batch takes milliseconds to seconds of CPU.
    """

    @property
    def name(self) -> str:
        """Which model; part of every cache key, so vectors of two models never meet."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of each vector; 384 for the MiniLM family."""
        ...

    @property
    def max_tokens(self) -> int:
        """Texts are cut after so many tokens, special tokens included."""
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row per text in the order given: [n, dimensions] float32, unit length.

        A text without any known word still gets a unit vector. No texts: [0, dimensions].
        """
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` takes, special tokens left out, without any cut."""
        ...
