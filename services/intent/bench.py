"""How fast the classifier is: `python -m services.intent.bench [--model DIR]`."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from services.intent.classifier import OnnxClassifier
from services.intent.evaluate import SHIPPED

TWELVE_TOKENS = "where is the parcel i ordered last monday please?"  # [CLS] and [SEP] included
_MIXED = (
    "hi",
    "where is my parcel",
    TWELVE_TOKENS,
    "the machine blinks red after descaling and i already tried to switch it off and on again",
)


def single_ms(classifier: OnnxClassifier, runs: int = 300) -> tuple[float, float]:
    """(p50, p95) of one 12-token message at a time, in milliseconds."""
    taken = []
    for _ in range(runs + 20):
        started = time.perf_counter()
        classifier.classify([TWELVE_TOKENS])
        taken.append((time.perf_counter() - started) * 1000)
    p50, p95 = np.percentile(taken[20:], [50, 95])
    return float(p50), float(p95)


def batched_per_s(classifier: OnnxClassifier, messages: int = 2000) -> float:
    """Messages a second for one long list of mixed lengths (3 to 20 tokens)."""
    texts = [_MIXED[i % len(_MIXED)] for i in range(messages)]
    classifier.classify(texts[:64])
    started = time.perf_counter()
    classifier.classify(texts)
    return messages / (time.perf_counter() - started)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    folder = parser.parse_args().model
    p50, p95 = single_ms(OnnxClassifier(folder, threads=1))
    found = {
        "single_p50_ms_1_thread": round(p50, 2),
        "single_p95_ms_1_thread": round(p95, 2),
        "batched_per_s_2_threads": round(batched_per_s(OnnxClassifier(folder, threads=2))),
    }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
