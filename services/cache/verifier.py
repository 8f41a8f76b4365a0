"""The second check: does one answer serve both questions?

`PairVerifier` asks a pair classifier, after hard rules that no probability overrules;
`RulesVerifier` is for installations without the model: strict, so that it seldom says yes.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from services.cache import core
from shared.embeddings.onnx import length_sorted_batches, open_session, padded
from shared.embeddings.wordpiece import minilm_tokenizer
from shared.errors import ConfigurationError
from shared.executor import BoundedExecutor

Floats = NDArray[np.float32]
_UNSURE = (0.5, 0.97)  # chances outside of which the other order would change no decision
QUESTION_TOKENS = 48  # of one question, as in training; the rest is cut


PairOfTexts = tuple[str, str]


# Likelihood ratio of the strict rules' yes: on Quora's pairs it is right 78 % of the time, and 37 %
# of all pairs are. "How can I …" for "How do I …" is no news to them, but moves a classifier.
_AGREES = (0.78 / 0.22) / (0.37 / 0.63)
_AGREES_AT_MOST = 0.97  # what the classifier is surer of ranks before what words alone lifted


class Verifier(Protocol):
    """Compares questions. Thread-safe, synchronous, and indifferent to which one came first."""

    def probabilities(self, pairs: Sequence[PairOfTexts]) -> list[float]:
        """How likely one answer serves both questions of each pair, 0–1, in the order given."""
        ...


class RulesVerifier:
    """1 where the rules are sure that both ask the same, else 0."""

    def probabilities(self, pairs: Sequence[PairOfTexts]) -> list[float]:
        return [float(core.same_answer(a, b)) for a, b in pairs]


class PairVerifier:
    """The pair classifier on onnxruntime, calibrated; 0 where a hard rule forbids.

    A pair is read in one order, always the same. Where that leaves it unsure, and `both_orders` in
    `config.json` is true, the other order is read too and both are averaged.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        self._session = open_session(folder / "model.onnx", threads)
        config = _read_config(folder / "config.json")
        self._scale, self._shift = float(config["scale"]), float(config["shift"])
        self._both_orders = bool(config["both_orders"])
        self._tokenizer = minilm_tokenizer()
        self._tokenizer.enable_truncation(2 * QUESTION_TOKENS + 3, strategy="longest_first")
        self._read([("warm", "up")])  # the first call sets up buffers: not in a customer's time

    def probabilities(self, pairs: Sequence[PairOfTexts]) -> list[float]:
        allowed = [n for n, (a, b) in enumerate(pairs) if not core.differs(a, b)]
        chances = self._calibrated(self.logits([pairs[n] for n in allowed]))
        found = [0.0] * len(pairs)
        for n, chance in zip(allowed, chances, strict=True):
            found[n] = _lifted(chance) if core.same_answer(*pairs[n]) else float(chance)
        return found

    def logits(self, pairs: Sequence[PairOfTexts]) -> Floats:
        """The classifier's own scores, without rules and calibration: [n]."""
        ordered = [(min(pair), max(pair)) for pair in pairs]
        scores = self._read(ordered)
        if self._both_orders:
            chances = self._calibrated(scores)
            unsure = np.flatnonzero((chances >= _UNSURE[0]) & (chances < _UNSURE[1]))
            other = self._read([(ordered[row][1], ordered[row][0]) for row in unsure])
            scores[unsure] = (scores[unsure] + other) / 2
        return scores

    def _calibrated(self, logits: Floats) -> Floats:
        return np.asarray(1 / (1 + np.exp(-(self._scale * logits + self._shift))), np.float32)

    def _read(self, pairs: Sequence[PairOfTexts]) -> Floats:
        out = np.zeros(len(pairs), np.float32)
        for rows, encodings in _batches(self._tokenizer, pairs):
            out[rows] = np.asarray(self._session.run(None, padded(encodings))[0]).reshape(-1)
        return out


def _lifted(chance: float) -> float:
    """A chance, knowing that the strict rules agree."""
    lifted = chance * _AGREES / (1 + chance * (_AGREES - 1))
    return float(max(chance, min(lifted, _AGREES_AT_MOST)))


def _batches(
    tokenizer: Tokenizer, pairs: Sequence[PairOfTexts]
) -> Iterator[tuple[list[int], list[Encoding]]]:
    if not pairs:
        return
    encodings = tokenizer.encode_batch(list(pairs))
    for rows in length_sorted_batches([len(encoding.ids) for encoding in encodings]):
        yield rows, [encodings[row] for row in rows]


def _read_config(path: Path) -> dict[str, float]:
    try:
        config: dict[str, float] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: needed beside the cache's model.onnx: {error}") from None
    if missing := {"scale", "shift", "both_orders"} - config.keys():
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

    async def probabilities(self, question: str, candidates: Sequence[str]) -> list[float]:
        """How likely the answer to each candidate serves `question`, 0–1.

        Raises:
            Overloaded: the queue is full.
            Transient: too slow.
        """
        pairs = [(question, candidate) for candidate in candidates]
        return await self._executor.run(self._verifier.probabilities, pairs)

    def close(self) -> None:
        self._executor.close()
