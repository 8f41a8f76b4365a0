"""Both forms of rows are measured; others are refused by name."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.retrieval.evaluate_followups import evaluate
from shared.embeddings.hashing import HashingEmbedder


def measured(folder: Path, *rows: dict[str, Any]) -> dict[str, Any]:
    path = folder / "conversations.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return dict(evaluate(path, HashingEmbedder(), folder / "cache"))


def test_rewrites_are_compared_with_what_a_person_made(tmp_path: Path) -> None:
    first = "|user|: What is cold brew?"
    asked = "|user|: How is it made?"
    report = measured(
        tmp_path,
        {"conversation": first, "last": first, "rewrite": first},
        {
            "conversation": f"{first}\n{asked}",
            "last": asked,
            "rewrite": "|user|: How is cold brew made?",
        },
        {
            "conversation": f"{first}\n|user|: Where is the Berlin showroom?",
            "last": "|user|: Where is the Berlin showroom?",
            "rewrite": "|user|: Where is the Berlin showroom?",
        },
    )
    assert report["questions"] == 2
    follow_ups, complete = report["follow_ups"], report["self_contained"]
    assert follow_ups["resolved"]["word_recall"] == 1.0 > follow_ups["last_turn"]["word_recall"]
    assert follow_ups["resolved"]["cosine"] > follow_ups["last_turn"]["cosine"]
    assert complete["changed"] == 0.0
    assert complete["resolved"] == complete["last_turn"]


def test_tasks_are_measured_by_the_passages_found(tmp_path: Path) -> None:
    def task(passage: str, *turns: str) -> dict[str, Any]:
        said = [{"speaker": "user", "text": turn} for turn in turns]
        passages = [{"document_id": passage[:9], "text": passage}]
        return {"input": said, "contexts": passages, "Multi-Turn": ["Follow-up"]}

    report = measured(
        tmp_path,
        task("Cold brew is made in twelve hours.", "What is cold brew?", "How is it made?"),
        task("Espresso is made in half a minute.", "What is espresso?", "How is it made?"),
        {"input": [], "contexts": []},
    )
    assert report["tasks"] == 2
    assert report["follow-up"]["resolved"]["ndcg@10"] == 1.0
    assert report["follow-up"]["last_turn"]["ndcg@10"] < 1.0


@pytest.mark.parametrize("row", [{"text": "x"}, {"input": "x"}, {"input": [{}], "contexts": []}])
def test_another_form_is_refused_with_the_right_one(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected rows of the form"):
        measured(tmp_path, row)
