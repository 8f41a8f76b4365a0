"""Look-alikes among the sample shop's messages: near in words, but labelled with other intents.

    python -m infra.local.topic_pairs > infra/sample_shop/pairs_topics.jsonl

Training pairs of the cache's second check, label 0. Only training messages are used; intents that
overlap by design (`…_unclear`) and messages that are nearly identical are left out.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from shared.embeddings import open_embedder

SHOP = Path(__file__).parents[1] / "sample_shop"
NEAREST = 6  # neighbours looked at
LEAST, MOST = 0.5, 0.85  # cosine: below, anyone sees the difference; above, perhaps there is none
PER_MESSAGE = 2


def topic_pairs(path: Path) -> Iterator[tuple[str, str]]:
    """The most alike first; each message at most twice."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows = [row for row in rows if _is_clear(row.get("intent") or "")]
    vectors = open_embedder("support:").embed([row["text"] for row in rows])
    likeness = vectors @ vectors.T
    found = []
    for a, near in enumerate(np.argsort(-likeness, axis=1)[:, : NEAREST + 1]):
        for b in map(int, near):
            differs = rows[a]["intent"] != rows[b]["intent"]
            if a < b and differs and LEAST <= likeness[a, b] <= MOST:
                found.append((float(likeness[a, b]), a, b))
    used: Counter[int] = Counter()
    for _, a, b in sorted(found, reverse=True):
        if max(used[a], used[b]) < PER_MESSAGE:
            used.update((a, b))
            yield rows[a]["text"], rows[b]["text"]


def _is_clear(intent: str) -> bool:
    vague = intent.endswith("_unclear") or intent.startswith("oos_")
    return bool(intent) and not vague and intent not in ("smalltalk", "complaint_angry")


def main() -> None:
    """Print the pairs as JSONL."""
    for a, b in topic_pairs(SHOP / "messages" / "train.jsonl"):
        row = {"text_a": a, "text_b": b, "label": 0}
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
