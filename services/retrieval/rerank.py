"""The cross-encoder: reads a question and a passage together and says how well they fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from services.retrieval.chunking import plain_words
from shared.embeddings.onnx import open_session, padded
from shared.embeddings.wordpiece import minilm_tokenizer

PAIR_TOKENS = 112  # question and passage together, as in training; the passage is cut


class Reranker(Protocol):
    """Scores passages for a question. Thread-safe, synchronous."""

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        """A logit per passage, in the order given; higher fits better."""
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

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        pairs = [(question, plain_words(passage)) for passage in passages]
        inputs = padded(self._tokenizer.encode_batch(pairs))
        feed = {name: inputs[name] for name in self._inputs}
        logits = np.asarray(self._session.run(None, feed)[0], dtype=np.float32)
        return [float(logit) for logit in logits.reshape(len(passages), -1)[:, 0]]


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
