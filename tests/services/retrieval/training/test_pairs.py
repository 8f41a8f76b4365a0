"""Questions come out of the articles, and nothing of a group gives its right passage away."""

import random
from pathlib import Path

import numpy as np

from services.retrieval.training.groups import Group, rows_of
from services.retrieval.training.pairs import (
    Pair,
    Question,
    batches,
    mine,
    questions_of,
    read_article,
)
from shared.vectors import Chunk

ARTICLE = """---
title: "Late refunds"
---
# A refund that does not arrive

## Symptoms

You sent a sofa back and no money came. The bank knows of nothing.

## Cause

The bank needs five working days to book it.

## Resolution

Wait for five working days, then write to us.
"""


def written(folder: Path, name: str = "Shop__orders__late-refund-not-arriving.md") -> Path:
    path = folder / name
    path.write_text(ARTICLE)
    return path


def test_an_article_asks_by_symptom_title_heading_and_name(tmp_path: Path) -> None:
    texts = [question.text for question in questions_of(read_article(written(tmp_path)))]
    assert "You sent a sofa back and no money came." in texts  # its first sentence alone
    assert any(text.endswith("The bank knows of nothing.") for text in texts)
    assert "A refund that does not arrive" in texts
    assert "late refund not arriving" in texts
    assert "Late refunds" not in texts  # too few words to ask anything


def test_what_asks_is_not_in_what_answers(tmp_path: Path) -> None:
    for pair in mine(read_article(written(tmp_path)), random.Random(0)):
        assert pair.question not in pair.passage


def test_batches_hold_neighbours_and_no_document_twice() -> None:
    pairs = [Pair(f"q{n}", f"p{n}", "g", f"d{n // 2}") for n in range(64)]
    vectors = np.random.default_rng(0).normal(size=(64, 8)).astype(np.float32)
    for batch in batches(pairs, vectors, 8, seed=1):
        assert len(batch) == 8
        assert len({pair.document for pair in batch}) == 8


def test_passages_of_a_group_show_the_same_parts() -> None:
    def chunk(name: str) -> Chunk:
        return Chunk(
            name, name, "1", "t", f"text {name}", f"title {name}", (f"top {name}", "Cause")
        )

    group = Group(Question("title a", "a", 0.0, 1.0), chunk("a"), (chunk("b"), chunk("c")))
    rows = rows_of(group, 2, random.Random(0))
    assert rows[0] == ("title a", "top a › Cause\ntext a")
    assert {passage for _, passage in rows[1:]} == {
        "top b › Cause\ntext b",
        "top c › Cause\ntext c",
    }
