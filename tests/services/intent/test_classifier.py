"""The shipped classifier, as the router uses it."""

from pathlib import Path

import pytest

from services.intent.classifier import OnnxClassifier
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
