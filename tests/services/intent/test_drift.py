"""Drift: counted by week, compared once a week, shown as metrics."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intent import drift
from services.intent.classifier import OnnxClassifier
from services.intent.confidences import ConfidenceLog, look
from services.intent.gauges import refresh
from services.intent.jobs import WEEK_MS, look_and_keep
from services.intent.labels import Label, LabelLog
from services.intent.settings import IntentSettings
from shared import metrics
from shared.clock import ManualClock
from shared.errors import ConfigurationError
from shared.kv.memory import MemoryKeyValue

counts = st.lists(st.integers(0, 500), min_size=drift.BINS, max_size=drift.BINS)


@given(counts, counts)
def test_the_index_is_never_negative_and_zero_without_a_shift(
    one: list[int], other: list[int]
) -> None:
    found = drift.stability_index(one, other)
    assert found is None or found >= 0
    same = drift.stability_index(one, one)
    assert same is None or same == pytest.approx(0)


def test_a_model_that_grew_unsure_is_seen() -> None:
    sure, unsure = [0.95] * 200, [0.95] * 100 + [0.4] * 100
    index = drift.stability_index(drift.histogram(sure), drift.histogram(unsure))
    assert index is not None and index > 0.25


def test_few_messages_say_nothing() -> None:
    assert drift.stability_index([0] * 9 + [1000], [50] + [0] * 9) is None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock) -> ConfidenceLog:
    return ConfidenceLog(MemoryKeyValue(), clock)


async def test_messages_are_counted_by_week_and_tenant(
    log: ConfidenceLog, clock: ManualClock
) -> None:
    for confidence in (0.0, 0.05, 1.0):
        await log.count("t", confidence)
    week = drift.week_of(clock.unix_ms())
    assert await log.week("t", week) == [2, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    assert await log.week("other", week) == [0] * 10
    clock.advance(8 * 86_400)
    assert await log.week("t", drift.week_of(clock.unix_ms())) == [0] * 10


async def test_the_look_is_shown_as_metrics(log: ConfidenceLog) -> None:
    await refresh(log)  # before the first look: nothing, and no error
    for _ in range(drift.LEAST_MESSAGES):
        await log.count("shown", 0.3)
    week = drift.week_of(ManualClock().unix_ms())
    reference = [0.95] * drift.LEAST_MESSAGES
    found = await look(
        log, ["shown"], week, reference=reference, right=[True, False], now_unix_ms=1
    )
    await log.keep(found)
    await refresh(log)
    assert metrics.INTENT_DRIFT.labels("shown")._value.get() > 0.25
    assert metrics.INTENT_FEEDBACK_ACCURACY._value.get() == 0.5


async def test_the_job_measures_the_shipped_model_on_labelled_messages(
    tmp_path: Path, log: ConfidenceLog, clock: ManualClock
) -> None:
    labelled = tmp_path / "labels.jsonl"
    rows = [
        {"text": "hello", "intent": "greeting", "route": "chitchat"},
        {"text": "Where is my parcel?", "intent": "track_order", "route": "out_of_scope"},
        {"text": "no route", "intent": "greeting"},
    ]
    labelled.write_text("\n".join(map(json.dumps, rows)))
    knobs = IntentSettings(labelled_file=labelled)
    classifier = OnnxClassifier(knobs.model_dir)
    for _ in range(drift.LEAST_MESSAGES):
        await log.count("t", 0.99)
    clock.advance(WEEK_MS / 1000)
    sent = [Label("hi there", "chitchat"), Label("I want to talk to a human", "escalate_human")]
    found = await look_and_keep(classifier, log, ["t", "quiet"], clock, knobs, labelled=sent)
    assert (found.labelled, found.accuracy) == (4, 0.75)
    assert found.index["t"] is not None and found.index["quiet"] is None
    assert await log.latest() == found


async def test_a_labelled_file_that_is_wrong_is_named(
    tmp_path: Path, log: ConfidenceLog, clock: ManualClock
) -> None:
    broken = tmp_path / "labels.csv"
    broken.write_text("text,intent\n,\n")
    knobs = IntentSettings(labelled_file=broken)
    with pytest.raises(ConfigurationError, match=r"labels\.csv, row 1"):
        await look_and_keep(OnnxClassifier(knobs.model_dir), log, [], clock, knobs)


async def test_the_last_label_of_a_text_counts_and_tenants_have_their_own() -> None:
    labels = LabelLog(MemoryKeyValue())
    await labels.add("t", [Label("Hi", "faq"), Label("Bye", "chitchat")])
    await labels.add("t", [Label("hi!", "chitchat")])
    await labels.add("t", [Label("Bye", "faq")])
    await labels.add("t", [Label("Bye", "chitchat"), Label("Bye", "chitchat")])
    await labels.add("t", [])
    assert {each.text: each.route for each in await labels.read("t")} == {
        "hi!": "chitchat",
        "Bye": "chitchat",
    }
    assert await labels.read("other") == []
