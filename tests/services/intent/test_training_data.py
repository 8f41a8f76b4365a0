"""The parts of training that need no torch: reading, splitting, noise, calibration."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intent.training import augment, calibration, data
from services.intent.training.data import Message

MESSAGES = Path("infra/sample_shop/messages")


def test_csv_and_jsonl_rows_read_the_same(tmp_path: Path) -> None:
    rows = [{"text": "hi, you", "intent": "greeting", "route": "chitchat", "frustration": 0}]
    (tmp_path / "a.jsonl").write_text(json.dumps(rows[0]) + "\n", "utf-8")
    (tmp_path / "a.csv").write_text(
        'text,intent,route,frustration\n"hi, you",greeting,chitchat,0\n'
    )
    expected = [Message("hi, you", "greeting", "chitchat", 0.0)]
    assert data.read(tmp_path / "a.jsonl") == expected
    assert data.read(tmp_path / "a.csv") == expected


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_spreadsheets_csv_is_read_whatever_separates_it(tmp_path: Path, separator: str) -> None:
    lines = [separator.join(cells) for cells in (("text", "intent"), ('"hi, you; there"', "hello"))]
    (tmp_path / "a.csv").write_text("\ufeff" + "\r\n".join(lines) + "\r\n", "utf-8", newline="")
    assert data.read(tmp_path / "a.csv") == [Message("hi, you; there", "hello", None)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", r"a\.jsonl: no rows"),
        (b'{"text": "hi", "intent": "hello"}\n{"text": \n', r"a\.jsonl, line 2: is no JSON object"),
        (b"[1]\n", r"line 1: is no JSON object"),
        (b'{"text": "caf\xe9"}\n', r"a\.jsonl: is not UTF-8"),
    ],
)
def test_a_file_that_is_no_jsonl_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        data.read(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"intent": "greeting"}, "row 1: needs `text`"),
        ({"text": "hi"}, "row 1: needs `text` and `intent`"),
        ({"text": "hi", "route": "moon"}, "route 'moon' is none of faq"),
        ({"text": "hi", "intent": "greeting", "frustration": "very"}, "not a number from 0 to 1"),
        ({"text": "hi", "intent": "greeting", "frustration": 2}, "not a number from 0 to 1"),
    ],
)
def test_a_bad_row_is_named_with_what_would_be_right(
    tmp_path: Path, row: dict[str, object], said: str
) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n", "utf-8")
    with pytest.raises(ValueError, match=said):
        data.read(tmp_path / "a.jsonl")


def test_a_split_holds_out_a_share_of_every_intent_and_loses_nothing() -> None:
    rows = [Message(f"{name}{i}", name, None) for name in "ab" for i in range(20)]
    train, held = data.split(rows, 0.1, seed=1)
    assert sorted(m.text for m in [*train, *held]) == sorted(m.text for m in rows)
    assert sorted(m.intent or "" for m in held) == ["a", "a", "b", "b"]


@given(st.text(), st.integers())
def test_noise_never_leaves_an_empty_message(text: str, seed: int) -> None:
    assert bool(augment.noisy(text, 1.0, random.Random(seed)).strip()) == bool(text.strip())


def test_noise_of_strength_zero_changes_nothing_and_of_one_almost_everything() -> None:
    text = "Where is the parcel that I ordered last week, please?"
    assert augment.noisy(text, 0.0, random.Random(1)) == text
    changed = sum(augment.noisy(text, 1.0, random.Random(seed)) != text for seed in range(50))
    assert changed > 30


def test_the_temperature_flattens_an_overconfident_model() -> None:
    logits = np.array([[6.0, 0.0]] * 10, np.float32)
    labels = np.array([0] * 7 + [1] * 3)
    assert calibration.fit_temperature(logits, labels) > 4


def test_the_threshold_refuses_the_share_asked_for() -> None:
    scores = np.linspace(0, 1, 1000, dtype=np.float32)
    assert (scores > calibration.oos_threshold(scores, 0.03)).mean() == pytest.approx(0.03)


def test_shop_messages_are_split_without_a_text_in_two_files() -> None:
    parts = [
        {m.text.lower() for m in data.read(MESSAGES / f"{n}.jsonl")} for n in ("train", "test")
    ]
    assert len(parts[0]) > 3900
    assert len(parts[1]) >= 500
    assert not parts[0] & parts[1]
