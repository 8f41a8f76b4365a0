"""Measuring the second check on labelled pairs."""

import json
from pathlib import Path

import pytest

from services.cache.evaluate import evaluate
from services.cache.pairs import Pair, read

NAMES = ["n", "recall_at_p90", "recall_at_p95", "average_precision", "auc", "p50_ms"]


def write(path: Path, rows: list[tuple[str, str, int]]) -> Path:
    lines = [json.dumps({"text_a": a, "text_b": b, "label": label}) for a, b, label in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


PAUSE = "How do I pause my membership?"
SAME = (PAUSE, "how to pause my subscription", 1)
OTHER = (PAUSE, "How do I cancel my subscription?", 0)


def test_a_small_file_is_measured_with_every_figure(tmp_path: Path) -> None:
    found = evaluate(write(tmp_path / "pairs.jsonl", [SAME, OTHER]), tmp_path / "no model")
    assert list(found) == NAMES
    assert found["n"] == 2
    assert [found[name] for name in NAMES[1:5]] == [1.0, 1.0, 1.0, 1.0]
    assert found["p50_ms"] is not None and found["p50_ms"] > 0


def test_without_positive_pairs_there_is_no_recall(tmp_path: Path) -> None:
    found = evaluate(write(tmp_path / "pairs.jsonl", [OTHER]), tmp_path / "no model")
    assert [found[name] for name in NAMES[1:5]] == [None] * 4


def test_without_negative_pairs_there_is_no_area(tmp_path: Path) -> None:
    found = evaluate(write(tmp_path / "pairs.jsonl", [SAME]), tmp_path / "no model")
    assert found["auc"] is None
    assert found["recall_at_p90"] == 1.0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "line 2: not a JSON object"),
        ('["a", "b", 1]', "line 2: expected an object"),
        ('{"text_a": "a", "label": 1}', "line 2: text_b must be a text"),
        ('{"text_a": " ", "text_b": "b", "label": 1}', "line 2: text_a must be a text"),
        ('{"text_a": "a", "text_b": "b"}', "line 2: label must be 1"),
        ('{"text_a": "a", "text_b": "b", "label": 2}', "line 2: label must be 1"),
        ('{"text_a": "a", "text_b": "b", "label": [1]}', "line 2: label must be 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    file = write(tmp_path / "pairs.jsonl", [SAME])
    file.write_text(file.read_text("utf-8") + line + "\n", "utf-8")
    with pytest.raises(ValueError, match=complaint):
        read(file)


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ValueError, match="line 1: not a JSON object in UTF-8"):
        read(file)


def test_an_empty_file_says_what_belongs_into_it(tmp_path: Path) -> None:
    (tmp_path / "pairs.jsonl").write_text("\n\n", "utf-8")
    with pytest.raises(ValueError, match=r"pairs\.jsonl has no rows.*text_a, text_b, label"):
        read(tmp_path / "pairs.jsonl")


def test_blank_lines_and_other_fields_are_skipped(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('\n{"text_a": "a", "text_b": "b", "label": "1", "split": "dev"}\n\n', "utf-8")
    assert read(file) == [Pair("a", "b", 1)]
