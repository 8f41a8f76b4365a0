"""Whole trainings, small ones, through the command that people run: `make test-training`."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from services.intent.classifier import OnnxClassifier
from services.intent.evaluate import evaluate, training_python

ROOT = Path(__file__).parents[3]
MESSAGES = ROOT / "infra" / "sample_shop" / "messages"
INTENTS = ("track_order", "greeting", "device_care", "opening_hours")

pytestmark = [pytest.mark.training, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company's own CSV: text and intent, no routes."""
    path = tmp_path_factory.mktemp("company") / "company.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "intent"])
        writer.writerows(messages("train"))
    return path


def messages(part: str) -> list[tuple[str, str]]:
    lines = (MESSAGES / f"{part}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [(row["text"], row["intent"]) for row in rows if row["intent"] in INTENTS]


def start(data: Path, out: Path, *more: str) -> "subprocess.Popen[str]":
    command = [str(training_python(ROOT)), "-m", "services.intent.training"]
    command += ["--data", str(data), "--out", str(out), *more]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process: "subprocess.Popen[str]") -> dict[str, dict[str, float]]:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err[-2000:]
    found: dict[str, dict[str, float]] = json.loads(out)
    return found


def interrupted_after(process: "subprocess.Popen[str]", checkpoint: Path) -> None:
    deadline_s = time.monotonic() + 300
    while not checkpoint.exists():
        assert process.poll() is None, process.communicate()[1][-2000:]
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def test_a_companys_csv_gives_a_model_that_knows_unseen_messages_and_a_report(
    company: Path, tmp_path: Path
) -> None:
    found = finished(start(company, tmp_path, "--epochs", "3"))
    assert found["dev"]["intent_accuracy"] > 0.8
    unseen = messages("test")
    scores = OnnxClassifier(tmp_path).classify([text for text, _ in unseen])
    right = [s.intent == intent for s, (_, intent) in zip(scores, unseen, strict=True)]
    assert sum(right) / len(right) > 0.8
    assert {"report.md", "calibration.png", "confusions.png"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert not list(tmp_path.glob("*.pt"))


def test_a_run_killed_in_the_middle_resumes_to_the_model_of_an_unbroken_one(
    company: Path, tmp_path: Path
) -> None:
    steps = ("--epochs", "3", "--checkpoint-steps", "5")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = finished(start(company, whole, *steps))
    interrupted_after(start(company, broken, *steps), broken / "checkpoint.pt")
    again = start(company, broken, *steps, "--resume")
    assert finished(again) == expected
    texts = [text for text, _ in messages("test")]
    one, other = OnnxClassifier(whole).logits(texts), OnnxClassifier(broken).logits(texts)
    assert one.intents == pytest.approx(other.intents, abs=1e-3)


def test_a_checkpoint_of_other_data_is_refused_in_words(company: Path, tmp_path: Path) -> None:
    steps = ("--epochs", "3", "--checkpoint-steps", "5")
    interrupted_after(start(company, tmp_path, *steps), tmp_path / "checkpoint.pt")
    fewer = tmp_path / "fewer.csv"
    fewer.write_text("".join(company.read_text("utf-8").splitlines(keepends=True)[:-5]), "utf-8")
    process = start(fewer, tmp_path, *steps, "--resume")
    _, err = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "other data or another recipe" in err
    assert "Traceback" not in err


def test_adapters_are_trained_and_merged(company: Path, tmp_path: Path) -> None:
    found = finished(start(company, tmp_path, "--epochs", "3", "--lora"))
    assert found["dev"]["intent_accuracy"] > 0.7


def test_without_out_of_scope_rows_the_unknown_is_refused_all_the_same(tmp_path: Path) -> None:
    def write(name: str, rows: list[tuple[str, str]]) -> Path:
        lines = [json.dumps({"text": text, "intent": intent}) for text, intent in rows]
        (tmp_path / name).write_text("\n".join(lines) + "\n", "utf-8")
        return tmp_path / name

    foreign = [
        ("write me a poem about autumn", "oos"),
        ("who won the world cup in 1998", "oos"),
        ("my knee hurts when i run", "oos"),
    ]
    train = write("train.jsonl", messages("train")[::2])
    found = evaluate(write("test.jsonl", messages("test") + foreign), [train])
    assert found["accuracy"] is not None and found["accuracy"] > 0.8
    assert found["oos_recall"] is not None and found["oos_recall"] >= 1 / 3
    assert found["in_scope_refused"] is not None and found["in_scope_refused"] <= 0.15
