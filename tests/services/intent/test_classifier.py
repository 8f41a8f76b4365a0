"""The shipped classifier, as the router uses it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intent.classifier import Labels, Logits, OnnxClassifier, outsideness, route_logits
from services.intent.evaluate import SHIPPED
from shared.errors import ConfigurationError

MESSAGES = [
    "where is my parcel",
    "hi",
    "I want to talk to a human being",
    "my machine leaks water from the bottom after descaling, what can i do",
    "what is the capital of australia",
]


@pytest.fixture(scope="module")
def classifier() -> OnnxClassifier:
    return OnnxClassifier(SHIPPED)


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("where is my parcel", "faq"),
        ("I want to talk to a human being", "escalate_human"),
        ("my machine leaks water from the bottom", "knowledge_base"),
        ("hello there", "chitchat"),
        ("what is the capital of australia", "out_of_scope"),
    ],
)
def test_known_messages_take_their_route(classifier: OnnxClassifier, text: str, route: str) -> None:
    assert classifier.classify([text])[0].route == route


def test_a_batch_gives_what_single_messages_give(classifier: OnnxClassifier) -> None:
    together = classifier.classify(MESSAGES)
    alone = [classifier.classify([text])[0] for text in MESSAGES]
    assert [s.route for s in together] == [s.route for s in alone]
    assert [s.intent for s in together] == [s.intent for s in alone]
    # Dynamic int8 scales are taken per batch, so confidences of an unsure model move.
    for one, other in zip(together, alone, strict=True):
        assert one.route_confidence == pytest.approx(other.route_confidence, abs=0.2)


def test_no_messages_give_no_scores(classifier: OnnxClassifier) -> None:
    assert classifier.classify([]) == []


def test_an_empty_and_a_very_long_message_are_classified(classifier: OnnxClassifier) -> None:
    assert len(classifier.classify(["", "coffee " * 2000])) == 2


def test_confidences_are_probabilities_and_the_ranking_descends(
    classifier: OnnxClassifier,
) -> None:
    for scores in classifier.classify(MESSAGES):
        shares = [share for _, share in scores.ranking]
        assert len(shares) == 5
        assert shares == sorted(shares, reverse=True)
        assert 0 <= sum(shares) <= 1.0001
        assert scores.ranking[0] == (scores.intent, scores.intent_confidence)
        assert 0 < scores.route_confidence <= 1


def test_the_model_carries_its_calibration(classifier: OnnxClassifier) -> None:
    assert 0.2 <= classifier.labels.route_temperature <= 5
    assert 0.2 <= classifier.labels.intent_temperature <= 5
    assert len(classifier.labels.routes) == 5


def test_a_missing_folder_is_a_configuration_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"INTENT_MODEL_DIR.*nowhere"):
        OnnxClassifier(tmp_path / "nowhere")


def test_a_broken_model_file_is_a_configuration_error(tmp_path: Path) -> None:
    for name in ("labels.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((SHIPPED / name).read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ConfigurationError, match="INTENT_MODEL_DIR"):
        OnnxClassifier(tmp_path)


def labels(intents: tuple[str, ...], intent_routes: tuple[int, ...] = ()) -> Labels:
    routes = ("faq", "out_of_scope") if intent_routes else ()
    return Labels(intents, routes, 1.0, 1.0, None, 64, 1.0, intent_routes)


def floats(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_an_intent_the_model_is_sure_of_decides_a_route_the_head_is_torn_about() -> None:
    logits = Logits(floats((9, 0)), floats((0, 0.1)), None, floats((1.0,)))
    assert int(route_logits(logits, labels(("track_order", "oos_x"), (0, 1))).argmax()) == 0


def test_without_a_map_from_intents_the_route_head_decides_alone() -> None:
    logits = Logits(floats((9, 0)), floats((0, 0.1)), None, floats((1.0,)))
    assert route_logits(logits, labels(("a", "b"))) is logits.routes


@given(st.lists(st.floats(-20, 20, width=32), min_size=4, max_size=4))
def test_route_probabilities_stay_a_distribution(values: list[float]) -> None:
    logits = Logits(floats(tuple(values[:2])), floats(tuple(values[2:])), None, floats((1.0,)))
    shares = np.exp(route_logits(logits, labels(("a", "oos_x"), (0, 1))))
    assert shares.sum() == pytest.approx(1, abs=1e-4)


def test_a_message_far_from_all_labelled_ones_is_outside_however_sure_the_head() -> None:
    sure = floats((0.99, 0.01), (0.99, 0.01))
    near, far = outsideness(
        sure, floats((), ()), np.array([0.9, 0.2], np.float32), labels(("a", "b"))
    )
    assert far > 0.7 > near


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32), st.floats(-1, 1, width=32))
def test_outsideness_is_a_share_that_grows_with_the_oos_class(
    one: float, other: float, cosine: float
) -> None:
    low, high = sorted((one, other))
    chances = floats((1 - low, low), (1 - high, high))
    near = np.array([cosine, cosine], np.float32)
    less, more = outsideness(chances, floats((), ()), near, labels(("a", "oos")))
    assert -1e-6 <= less <= more + 1e-6 <= 1 + 2e-6


def test_a_foreign_message_is_flagged_and_a_known_one_is_not(classifier: OnnxClassifier) -> None:
    known, foreign = classifier.classify(["where is my parcel", "write me a poem about autumn"])
    assert not known.out_of_scope
    assert foreign.out_of_scope
    assert known.nearness > 0.7
    assert -1 <= foreign.nearness <= 1.0001


def test_a_message_said_word_for_word_in_training_is_as_near_as_can_be(
    classifier: OnnxClassifier,
) -> None:
    found = classifier.logits(["direct debit for normal orders?"])
    assert found.nearest[0, 0] > 0.97
    assert list(found.nearest[0]) == sorted(found.nearest[0], reverse=True)
