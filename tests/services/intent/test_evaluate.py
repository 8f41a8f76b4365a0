"""Measuring the shipped classifier on labelled files."""

import json
from pathlib import Path

import pytest

from services.intent.evaluate import evaluate, expected_calibration_error, training_python
from shared.errors import ConfigurationError


def write(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [json.dumps({"text": text, "intent": intent}) for text, intent in rows]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_a_small_file_is_measured_with_every_figure(tmp_path: Path) -> None:
    rows = [("where is my parcel", "track_order"), ("capital of australia?", "oos")]
    found = evaluate(write(tmp_path / "small.jsonl", rows), [])
    assert list(found) == ["n", "accuracy", "oos_recall", "in_scope_refused", "ece", "p50_ms"]
    assert found["n"] == 2
    assert found["accuracy"] in (0.0, 1.0)
    assert found["p50_ms"] is not None and found["p50_ms"] > 0


def test_without_out_of_scope_rows_their_recall_is_null(tmp_path: Path) -> None:
    file = write(tmp_path / "inside.jsonl", [("where is my parcel", "track_order")])
    assert evaluate(file, [])["oos_recall"] is None


def test_with_only_out_of_scope_rows_accuracy_is_null(tmp_path: Path) -> None:
    found = evaluate(write(tmp_path / "outside.jsonl", [("write me a poem", "oos")]), [])
    assert found["accuracy"] is None
    assert found["ece"] is None
    assert found["in_scope_refused"] is None


def test_a_bad_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text('{"text": "hi", "intent": "greeting"}\n{"text": "hi"}\n', "utf-8")
    with pytest.raises(ConfigurationError, match=r"bad\.jsonl:2"):
        evaluate(file, [])


INSTALLER = """import pathlib, sys
assert sys.argv[1:] == ["train"]
folder = pathlib.Path(__file__).parents[2] / ".venv-train" / "bin"
folder.mkdir(parents=True)
(folder / "python").touch()
"""


def checkout(root: Path, installer: str) -> Path:
    (root / "infra" / "local").mkdir(parents=True)
    (root / "infra" / "local" / "environment.py").write_text(installer, "utf-8")
    return root


def test_training_makes_its_environment_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = training_python(checkout(tmp_path, INSTALLER))
    assert found == tmp_path / ".venv-train" / "bin" / "python"
    out, err = capfd.readouterr()
    assert out == ""
    assert "making .venv-train" in err


def test_an_environment_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"exit code 3.*make train-intent"):
        training_python(checkout(tmp_path, "raise SystemExit(3)"))


def test_training_outside_a_checkout_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no checkout.*requirements/train\.txt"):
        training_python(tmp_path)


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    assert expected_calibration_error([0.8] * 10, [True] * 8 + [False] * 2) == pytest.approx(0)
    assert expected_calibration_error([0.9] * 10, [True] * 4 + [False] * 6) == pytest.approx(0.5)
