"""The intent classifier at run time: onnxruntime and a tokenizer, no torch."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from shared.embeddings.onnx import open_session
from shared.errors import ConfigurationError

Floats = NDArray[np.float32]
OOS = "oos"
BATCH_TEXTS = 16
RANKED = 5
BY_INTENT = 0.7  # share of the fine intents in a route's probability; the route head has the rest


@dataclass(frozen=True)
class Scores:
    """What the model says about one message; confidences are calibrated probabilities in 0–1.

    `ranking` holds the five likeliest fine intents, best first, the `oos` class left out; the gap
    between its first two says how torn the model is.
    `out_of_scope`: set where all but about 1.5 % of known messages score lower; `route` names the
    likeliest way all the same.
    `nearness`: mean cosine to the five nearest labelled messages, at most 1; low means that nothing
    of the kind was ever labelled.
    `frustration` is the probability that the writer is angry; 0 from a model without that head.
    """

    route: str
    route_confidence: float
    intent: str
    intent_confidence: float
    out_of_scope: bool
    ranking: tuple[tuple[str, float], ...]
    frustration: float = 0.0
    nearness: float = 1.0


@dataclass(frozen=True)
class Labels:
    """The part of `labels.json` that scoring needs; names in the order of the logits.

    `oos_threshold` bounds `outsideness`: above it a message is out of scope. None: never.
    `intent_routes` holds the route of each intent as its number; empty where there are no routes.
    """

    intents: tuple[str, ...]
    routes: tuple[str, ...]
    intent_temperature: float
    route_temperature: float
    oos_threshold: float | None
    max_tokens: int
    frustration_temperature: float = 1.0
    intent_routes: tuple[int, ...] = ()

    @classmethod
    def parse(cls, document: dict[str, Any]) -> "Labels":
        """Raises KeyError, TypeError or ValueError for a document of another shape."""
        threshold = document["oos_threshold"]
        return cls(
            tuple(document["intents"]),
            tuple(document["routes"]),
            float(document["intent_temperature"]),
            float(document["route_temperature"]),
            None if threshold is None else float(threshold),
            int(document["max_tokens"]),
            float(document.get("frustration_temperature", 1.0)),
            tuple(document.get("intent_routes", ())),
        )


def softmax(logits: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities per row, [n, classes]; a higher temperature makes them flatter."""
    if not logits.shape[1]:
        return logits
    scaled = logits / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float32)


def route_logits(logits: "Logits", labels: Labels) -> Floats:
    """Logarithms of the routes' probabilities, [n, routes]: the route head and the fine intents.

    An intent has one route, so each set of probabilities is a second opinion on the other.
    """
    if not labels.intent_routes:
        return logits.routes
    shares = (1 - BY_INTENT) * softmax(logits.routes)
    by_intent = softmax(logits.intents)
    for column, route in enumerate(labels.intent_routes):
        shares[:, route] += BY_INTENT * by_intent[:, column]
    return np.asarray(np.log(shares + 1e-9), np.float32)


def outsideness(intents: Floats, routes: Floats, nearness: Floats, labels: Labels) -> Floats:
    """How surely each message is out of scope, [n] in 0–1, from calibrated probabilities.

    With intents of the route `out_of_scope`, the share of that route. Else distance from all
    labelled messages, together with the probability of `oos` where that is a class: a network
    spreads its probability over the classes it knows whatever it reads, distance sees what is new.
    Source: Sun et al. 2022, arXiv:2204.06507.
    """
    outside = [n for n, name in enumerate(labels.routes) if name == "out_of_scope"]
    if outside and outside[0] in labels.intent_routes:
        return np.asarray(routes[:, outside[0]], np.float32)
    inside = 1 - intents[:, labels.intents.index(OOS)] if OOS in labels.intents else 1.0
    return np.asarray(1 - nearness.clip(0, 1) * inside, np.float32)


@dataclass(frozen=True)
class Logits:
    """Uncalibrated: [n, intents], [n, routes] and [n] float32; a missing head has no columns.

    `nearest`: cosines to the nearest messages in memory, [n, neighbours], descending.
    """

    intents: Floats
    routes: Floats
    frustration: Floats | None
    nearest: Floats

    @property
    def nearness(self) -> Floats:
        """Mean cosine to the five nearest, [n]."""
        return np.asarray(self.nearest[:, :RANKED].mean(axis=1), np.float32)


class OnnxClassifier:
    """A folder with `model.onnx`, `tokenizer.json` and `labels.json`. Thread-safe, synchronous."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Raises ConfigurationError when a file is missing or unreadable."""
        try:
            document = json.loads((folder / "labels.json").read_text("utf-8"))
            self.labels = Labels.parse(document)
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._session = open_session(folder / "model.onnx", threads)
        except Exception as error:  # onnxruntime and tokenizers raise plain Exception
            raise ConfigurationError(
                f"INTENT_MODEL_DIR: no usable intent model in {folder}: {error}"
            ) from error
        self._tokenizer.enable_truncation(self.labels.max_tokens)
        self._tokenizer.no_padding()
        self._widths = {output.name: output.shape[1] for output in self._session.get_outputs()}

    def classify(self, texts: Sequence[str]) -> list[Scores]:
        """One result per text, in the order given."""
        if not texts:
            return []
        found = self.logits(texts)
        by_intent = softmax(found.intents, self.labels.intent_temperature)
        by_route = softmax(route_logits(found, self.labels), self.labels.route_temperature)
        near = found.nearness
        outside = outsideness(by_intent, by_route, near, self.labels)
        angry = self._angry(found.frustration, len(texts))
        return [
            self._scores(by_intent[row], by_route[row], outside[row], angry[row], near[row])
            for row in range(len(texts))
        ]

    def logits(self, texts: Sequence[str]) -> Logits:
        """What the network says, in the order of the texts."""
        encodings = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids))
        found = {n: np.zeros((len(texts), w), np.float32) for n, w in self._widths.items()}
        for start in range(0, len(order), BATCH_TEXTS):
            rows = order[start : start + BATCH_TEXTS]
            outputs = self._session.run(list(found), _inputs([encodings[row] for row in rows]))
            for name, values in zip(found, outputs, strict=True):
                found[name][rows] = values
        none = np.zeros((len(texts), 0), np.float32)
        angry = found.get("frustration")
        return Logits(
            found["intent"],
            found.get("route", none),
            None if angry is None else angry[:, 0],
            found["nearest"],
        )

    def _angry(self, logits: Floats | None, count: int) -> Floats:
        if logits is None:
            return np.zeros(count, np.float32)
        scaled = logits / self.labels.frustration_temperature
        return np.asarray(1 / (1 + np.exp(-scaled)), np.float32)

    def _scores(self, intents: Floats, routes: Floats, *rest: np.float32) -> Scores:
        outside, angry, near = (float(value) for value in rest)
        names = self.labels.intents
        order = [int(i) for i in np.argsort(-intents) if names[int(i)] != OOS][:RANKED]
        ranking = tuple((names[i], float(intents[i])) for i in order)
        intent, confidence = ranking[0]
        threshold = self.labels.oos_threshold
        unknown = threshold is not None and outside > threshold
        if len(routes):
            best = int(np.argmax(routes))
            route, sure = self.labels.routes[best], float(routes[best])
        else:  # a model of fine intents only: everything known is for the documents
            route = "out_of_scope" if unknown else "knowledge_base"
            sure = 1 - confidence if unknown else confidence
        unknown = unknown or (threshold is None and route == "out_of_scope")
        return Scores(route, sure, intent, confidence, unknown, ranking, angry, near)


def _inputs(encodings: Sequence[Encoding]) -> dict[str, NDArray[np.int64]]:
    """`input_ids` and `attention_mask`, each [n, longest] int64, zeros on the right."""
    width = max(len(encoding.ids) for encoding in encodings)
    ids = np.zeros((len(encodings), width), np.int64)
    mask = np.zeros_like(ids)
    for row, encoding in enumerate(encodings):
        ids[row, : len(encoding.ids)] = encoding.ids
        mask[row, : len(encoding.ids)] = 1
    return {"input_ids": ids, "attention_mask": mask}
