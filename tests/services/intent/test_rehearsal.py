"""What the router would do with labelled messages, counted."""

import json
from pathlib import Path

import pytest

from services.intent.rehearsal import OUTCOMES, rehearse
from services.intent.settings import IntentSettings
from shared.errors import ConfigurationError

ROWS = (
    {"text": "I want to talk to a human", "intent": "ask_for_human", "route": "escalate_human"},
    {"text": "agent", "intent": "ask_for_human", "route": "escalate_human"},
    {"text": "delete my account", "intent": "account_deletion", "route": "escalate_human"},
    {"text": "I will sue you", "intent": "thanks", "route": "chitchat"},
)


def written(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_outcomes_and_what_fits_are_counted(tmp_path: Path) -> None:
    report = rehearse(written(tmp_path / "rows.jsonl", *ROWS), IntentSettings())
    share, right = report["share"], report["right"]
    assert isinstance(share, dict) and isinstance(right, dict)
    assert (share["offers"], share["confirms"], share["hands_over"]) == (0.25, 0.25, 0.5)
    assert (right["offers"], right["hands_over"], right["answers"]) == (1.0, 0.5, None)
    assert (report["for_people_missed"], report["topics_missed"]) == (0.0, 0.0)
    assert sum(share.values()) == 1 and tuple(share) == OUTCOMES


def test_on_messages_the_model_never_saw_asking_is_rare_and_wrong_answers_rarer() -> None:
    report = rehearse(Path("infra/sample_shop/messages/test.jsonl"), IntentSettings())
    share = report["share"]
    assert isinstance(share, dict)
    assert report["trained_on"] == 0
    assert (share["asks"] or 0) <= 0.10
    assert isinstance(report["wrong_answers"], float) and report["wrong_answers"] <= 0.06
    assert isinstance(report["topics_missed"], float) and report["topics_missed"] <= 0.10


def test_a_file_the_model_was_trained_on_is_named_as_such() -> None:
    seen = rehearse(Path("infra/sample_shop/messages/train.jsonl"), IntentSettings())
    assert seen["trained_on"] == 1


@pytest.mark.parametrize("row", [{"text": "hi", "intent": "greeting"}, {"text": ""}])
def test_rows_without_labels_are_refused(tmp_path: Path, row: object) -> None:
    with pytest.raises(ConfigurationError, match=r"rows\.jsonl"):
        rehearse(written(tmp_path / "rows.jsonl", row), IntentSettings())
