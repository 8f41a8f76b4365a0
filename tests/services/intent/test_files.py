"""Templates and topics: files that people edit while we run."""

import os
from pathlib import Path

import pytest

from services.intent.templates import open_templates, parse_templates
from services.intent.topics import open_topics, parse_topics
from shared.errors import ConfigurationError

TOPICS = "refund_limit: 50\ntopics:\n- {topic: injury, action: hand_over}\n"


def edit(path: Path, content: str) -> None:
    before_ns = path.stat().st_mtime_ns
    path.write_text(content)
    os.utime(path, ns=(before_ns + 10_000_000, before_ns + 10_000_000))


def test_an_edited_policy_is_in_force_at_once_and_a_broken_one_never(tmp_path: Path) -> None:
    path = tmp_path / "topics.yaml"
    path.write_text(TOPICS)
    topics = open_topics(path)
    assert topics.current().refund_limit == 50
    edit(path, TOPICS.replace("50", "70"))
    assert topics.current().refund_limit == 70
    edit(path, "topics: [{topic: injury, action: shrug}]")
    assert topics.current().refund_limit == 70
    edit(path, TOPICS.replace("50", "90"))
    assert topics.current().refund_limit == 90


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("topics: [{topic: a, action: shrug}]", "a: action 'shrug' is none of hand_over"),
        ("topics: [{topic: a, action: confirm}]", "a: `confirm` needs `ask`"),
        ("topics: [{action: answer}]", "KeyError"),
        ("topics: [{topic: injury, action: confirm, ask: Sure}]", "injury: must be hand_over"),
        ("topics: [{topic: fraud_report, action: answer}]", "hand_over or confirm"),
        ("refund_limit: -1\ntopics: []", "must be 0 or more"),
        ("refund_limit: .nan\ntopics: []", "must be 0 or more"),
        ("refund_limit: much\ntopics: []", "not a topic file"),
        ("{", "not a topic file"),
    ],
)
def test_a_wrong_policy_is_named(content: str, named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        parse_topics(content, "topics.yaml")


def test_a_topic_that_is_to_be_answered_is_let_through() -> None:
    policy = parse_topics("topics: [{topic: press, action: answer}]", "t")
    assert policy.found("is this a scam?", ("press",)) is None


def test_what_a_policy_leaves_out_still_reaches_a_person() -> None:
    found = parse_topics("topics: []", "t").found("somebody hacked my account", ())
    assert found is not None and (found.name, found.action) == ("fraud_report", "hand_over")


def test_edited_templates_answer_at_once(tmp_path: Path) -> None:
    path = tmp_path / "faq.yaml"
    one = "slots: {days: '30'}\nanswers:\n- {id: a, intent: i, title: Days, answer: '{days} days'}"
    path.write_text(one)
    templates = open_templates(path)
    assert templates.current().by_intent["i"].text == "30 days"
    edit(path, one.replace("30", "14"))
    assert templates.current().by_intent["i"].text == "14 days"
    picked = templates.current().picked("  days. ")
    assert picked is not None and picked.template_id == "a"


def test_options_that_do_not_exist_are_named() -> None:
    content = "answers:\n- {id: a, intent: i, title: T, clarify: 'Which?', options: [b]}"
    with pytest.raises(ConfigurationError, match="a: no answer with the id"):
        parse_templates(content, "faq.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml"):
        open_topics(tmp_path / "nowhere.yaml")
