"""The second check: does one answer serve both questions?

`PairVerifier` asks a pair classifier beside nearness and strict rules, after hard rules that no
probability overrules; `RulesVerifier` is for installations without the model: strict, so that it
seldom says yes.
"""

import json
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from services.cache import core
from services.cache.likeness import Likeness
from shared.embeddings.onnx import length_sorted_batches, open_session, padded
from shared.embeddings.wordpiece import minilm_tokenizer
from shared.errors import ConfigurationError
from shared.executor import BoundedExecutor

Floats = NDArray[np.float32]
QUESTION_TOKENS = 48  # of one question, as in training; the rest is cut


class Verifier(Protocol):
    """Compares questions. Thread-safe, synchronous, and indifferent to which one came first."""

    def probabilities(self, pairs: Sequence[Likeness]) -> list[float]:
        """How likely one answer serves both questions of each pair, 0–1, in the order given."""
        ...


class RulesVerifier:
    """1 where the rules are sure that both ask the same, else 0."""

    def probabilities(self, pairs: Sequence[Likeness]) -> list[float]:
        return [float(core.same_answer(pair.asked, pair.remembered)) for pair in pairs]


class PairVerifier:
    """The pair classifier on onnxruntime beside other evidence, calibrated; 0 by a hard rule.

    A pair is read in one order, always the same; the mean of both is no better (RESULTS.md in
    training/). Nearness (`cosine` in `config.json`, logits per unit) and the strict rules' yes
    (`agrees`, logits) count beside it: the classifier was trained to look for differences, they
    know what is far and what is plainly the same.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        # Threads that each read some of the pairs: those inside one run would have to spin to help.
        self._session = open_session(folder / "model.onnx", 1)
        self._threads = threads
        self._readers = ThreadPoolExecutor(threads, thread_name_prefix="pairs")
        config = _read_config(folder / "config.json")
        self._scale, self._shift = float(config["scale"]), float(config["shift"])
        self._cosine, self._agrees = float(config["cosine"]), float(config["agrees"])
        self._tokenizer = minilm_tokenizer()
        self._tokenizer.enable_truncation(2 * QUESTION_TOKENS + 3, strategy="longest_first")
        self._read([("warm", "up")])  # the first call sets up buffers: not in a customer's time

    def probabilities(self, pairs: Sequence[Likeness]) -> list[float]:
        allowed = [n for n, pair in enumerate(pairs)
                   if not core.differs(pair.asked, pair.remembered)]  # fmt: skip
        found = np.zeros(len(pairs))
        found[allowed] = self._calibrated(self.evidence([pairs[n] for n in allowed]))
        return [float(chance) for chance in found]

    def evidence(self, pairs: Sequence[Likeness]) -> Floats:
        """What speaks for each pair, hard rules aside, in the classifier's logits: [n]."""
        texts = [(pair.asked, pair.remembered) for pair in pairs]
        besides = np.array([self._besides(pair) for pair in pairs], np.float32)
        return self._read([(min(both), max(both)) for both in texts]) + besides

    def _besides(self, pair: Likeness) -> float:
        agrees = core.same_answer(pair.asked, pair.remembered)
        return self._cosine * pair.cosine + self._agrees * agrees

    def _calibrated(self, evidence: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-(self._scale * evidence + self._shift))), np.float32)

    def _read(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        out = np.zeros(len(pairs), np.float32)
        encodings = self._tokenizer.encode_batch(list(pairs))
        batches = list(self._batches([len(encoding.ids) for encoding in encodings]))
        read = self._readers.map(self._run, ([encodings[n] for n in rows] for rows in batches))
        for rows, logits in zip(batches, read, strict=True):
            out[rows] = logits
        return out

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Rows of like lengths, in no fewer batches than there are threads and rows for them."""
        share = max(1, math.ceil(len(lengths) / self._threads))
        for rows in length_sorted_batches(lengths):
            yield from (rows[start : start + share] for start in range(0, len(rows), share))

    def _run(self, encodings: Sequence[Encoding]) -> Floats:
        return np.asarray(self._session.run(None, padded(encodings))[0], np.float32).reshape(-1)


def _read_config(path: Path) -> dict[str, float]:
    try:
        config: dict[str, float] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: needed beside the cache's model.onnx: {error}") from None
    if missing := {"scale", "shift", "cosine", "agrees"} - config.keys():
        raise ConfigurationError(f"{path}: lacks {', '.join(sorted(missing))}")
    return config


def open_verifier(folder: Path | None, *, threads: int = 1) -> Verifier:
    """The classifier in `folder` (`model.onnx`, `config.json`); the rules alone without one.

    Raises:
        ConfigurationError: the model in the folder cannot be read.
    """
    if folder is None or not (folder / "model.onnx").is_file():
        return RulesVerifier()
    return PairVerifier(folder, threads=threads)


class BoundedVerifier:
    """Verifies off the event loop: bounded and timed."""

    def __init__(self, verifier: Verifier, *, timeout_s: float, queue: int) -> None:
        self._verifier = verifier
        self._executor = BoundedExecutor("verifier", queue=queue, timeout_s=timeout_s)

    async def probabilities(self, pairs: Sequence[Likeness]) -> list[float]:
        """How likely the answer to each remembered question serves the asked one, 0–1.

        Raises:
            Overloaded: the queue is full.
            Transient: too slow.
        """
        return await self._executor.run(self._verifier.probabilities, pairs)

    def close(self) -> None:
        self._executor.close()
