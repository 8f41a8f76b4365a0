"""The cross-encoder: reads a question and a passage together and says how well they fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from shared.embeddings.onnx import open_session, padded
from shared.embeddings.wordpiece import minilm_tokenizer

PAIR_TOKENS = 96  # question and passage together; the longer of the two is cut
PAIRS_AT_ONCE = 16  # bounds memory, whoever asks
PASSAGE_CHARACTERS = 800  # more never reaches the model: not worth tokenizing

Pair = tuple[str, str]  # question, passage as words without markup


class Reranker(Protocol):
    """Scores passages for questions. Thread-safe, synchronous."""

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        """A logit per pair, in the order given; higher fits better."""
        ...


class CrossEncoder:
    """A sequence-pair model with one logit, on onnxruntime."""

    def __init__(
        self, model: Path, *, threads: int = 1, tokenizer: Tokenizer | None = None
    ) -> None:
        self._session = open_session(model, threads)
        self._tokenizer = tokenizer or minilm_tokenizer()
        self._tokenizer.enable_truncation(PAIR_TOKENS, strategy="longest_first")
        self._inputs = {item.name for item in self._session.get_inputs()}

    def scores(self, pairs: Sequence[Pair]) -> list[float]:
        short = [(question, passage[:PASSAGE_CHARACTERS]) for question, passage in pairs]
        return [logit for start in range(0, len(short), PAIRS_AT_ONCE)
                for logit in self._logits(short[start : start + PAIRS_AT_ONCE])]  # fmt: skip

    def _logits(self, pairs: Sequence[Pair]) -> list[float]:
        inputs = padded(self._tokenizer.encode_batch(list(pairs)))
        feed = {name: inputs[name] for name in self._inputs}
        logits = np.asarray(self._session.run(None, feed)[0], dtype=np.float32)
        return [float(logit) for logit in logits.reshape(len(pairs), -1)[:, 0]]


def open_reranker(folder: Path | None, *, threads: int = 1) -> CrossEncoder | None:
    """The cross-encoder in a folder (`model.onnx`, perhaps `tokenizer.json`); None without one.

    Raises:
        ConfigurationError: the model in the folder cannot be read.
    """
    if folder is None or not (folder / "model.onnx").is_file():
        return None
    own = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(own)) if own.is_file() else None
    return CrossEncoder(folder / "model.onnx", threads=threads, tokenizer=tokenizer)
