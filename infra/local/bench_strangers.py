"""Messages of real kinds against a full cache: whom does it answer with another question's answer?

    make bench-strangers

Near misses are written to be confused; these are not. Each test and dev message of the sample shop
(what customers want, but also small talk, other companies, fire and fury) is looked up among the
training messages that documents or an FAQ answer. "Other intent" counts hits whose labels differ;
some of those answers would serve all the same.
"""

import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from services.cache.settings import CacheSettings
from services.cache.verifier import open_verifier
from shared.embeddings import open_embedder
from shared.settings import Settings, load

MESSAGES = Path(__file__).parents[1] / "sample_shop" / "messages"
ANSWERED = ("faq", "knowledge_base")


def read(name: str) -> list[dict[str, str]]:
    """Rows of `text`, `intent`, `route`."""
    lines = (MESSAGES / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def main() -> None:
    """Look everything up, print counts and every hit of another intent."""
    settings = load(CacheSettings)
    embedder = open_embedder(load(Settings).embedder_url)
    verifier = open_verifier(settings.model_dir)
    kept = [row for row in read("train") if row["route"] in ANSWERED]
    asked = read("test") + read("dev")
    vectors = [embedder.embed([row["text"] for row in rows]) for rows in (asked, kept)]
    out, hits, strangers = Console(highlight=False), 0, 0
    listed = Table("asked", "answered as", "route", "cosine", "chance")
    for row, cosines in zip(asked, vectors[0] @ vectors[1].T, strict=True):
        near = [place for place in np.argsort(-cosines)[: settings.candidates].tolist()
                if cosines[place] >= settings.min_similarity
                and kept[place]["text"].lower() != row["text"].lower()]  # fmt: skip
        chances = verifier.probabilities([(row["text"], kept[place]["text"]) for place in near])
        sure = [(chance, place) for chance, place in zip(chances, near, strict=True)
                if chance >= settings.needed_probability(float(cosines[place]))]  # fmt: skip
        if not sure:
            continue
        hits += 1
        chance, place = max(sure)
        if kept[place]["intent"] != row["intent"]:
            strangers += 1
            listed.add_row(row["text"], kept[place]["text"], row["route"],
                           f"{cosines[place]:.2f}", f"{chance:.2f}")  # fmt: skip
    out.print(f"{len(asked)} asked, {len(kept)} kept: {hits} hits, {strangers} of another intent")
    out.print(listed)


if __name__ == "__main__":
    main()
