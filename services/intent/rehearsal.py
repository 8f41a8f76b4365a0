"""What the router would do with labelled first messages, and how often that is right."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.intent import core
from services.intent.classifier import OnnxClassifier
from services.intent.settings import IntentSettings
from services.intent.templates import Library, open_templates
from services.intent.topics import TopicPolicy, open_topics
from services.intent.training.data import Message, read
from shared.errors import ConfigurationError

Report = dict[str, int | float | dict[str, float | None] | None]

_OF_ACTION = {"offer": "offers", "confirm": "confirms", "hand_over": "hands_over"}
_FOR_PEOPLE = ("offers", "confirms", "hands_over")
OUTCOMES = ("answers", "asks", "documents", *_FOR_PEOPLE)


def rehearse(data: Path, settings: IntentSettings) -> Report:
    """Every row of `data` as the first message of a conversation. Shares are 0–1.

    `right` is the share of an outcome that fits the label: an answer of the right intent, a
    question whose options hold it, documents for what can be answered, people for what is theirs.
    `trained_on`: 1 when the model was trained on this very file, and the figures say nothing.
    `wrong_answers`: of all, those answered by a template of another intent. `for_people_missed`: of
    the messages for people, those that a template or the documents got. `topics_missed`: the same
    of those whose intent is a sensitive topic.

    Raises:
        ConfigurationError: a file or the model cannot be read, or rows lack `intent` or `route`.
    """
    rows = _labelled(data)
    topics, library = open_topics(settings.topics_file), open_templates(settings.faq_file)
    scores = OnnxClassifier(settings.model_dir).classify([row.text for row in rows])
    seen = []
    for row, said in zip(rows, scores, strict=True):
        now = core.Said(row.text)
        decision = core.decide_by_words(now, topics.current()) or core.decide_by_scores(
            now, said, topics.current(), settings
        )
        seen.append((row, *_outcome(row, decision, library.current())))
    trained_on = _was_trained_on(settings.model_dir, data)
    return {"trained_on": int(trained_on), **_report(seen, topics.current())}


def _was_trained_on(model_dir: Path, data: Path) -> bool:
    """Whether the model's own list of what it was trained on holds this file."""
    known = json.loads((model_dir / "labels.json").read_text("utf-8")).get("trained_on", {})
    return hashlib.sha256(data.read_bytes()).hexdigest() in known.values()


def _labelled(data: Path) -> list[Message]:
    try:
        rows = read(data)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{data}: {error}") from None
    if any(row.intent is None or row.route is None for row in rows) or not rows:
        raise ConfigurationError(f"{data}: every row needs `text`, `intent` and `route`")
    return rows


def _outcome(row: Message, decision: core.Decision, library: Library) -> tuple[str, bool]:
    """What the customer would meet, and whether it fits the label."""
    if outcome := _OF_ACTION.get(decision.action):
        return outcome, row.route == "escalate_human"
    if decision.action == "choose":
        return "asks", row.intent in decision.choices
    template = library.by_intent.get(decision.intent) if decision.action == "template" else None
    if template is not None and template.options:
        options = {library.by_id[name].intent for name in template.options}
        return "asks", row.intent in {template.intent, *options}
    if decision.action == "template" and decision.route == "faq" and template is not None:
        return "answers", row.intent == template.intent
    if decision.action == "template" and decision.route != "faq":
        return "answers", row.route == decision.route
    return "documents", row.route in ("faq", "knowledge_base")


def _report(seen: Sequence[tuple[Message, str, bool]], topics: TopicPolicy) -> Report:
    counts = Counter(outcome for _, outcome, _ in seen)
    right = Counter(outcome for _, outcome, fits in seen if fits)
    people = [(row, outcome) for row, outcome, _ in seen if row.route == "escalate_human"]
    grave = [(row, o) for row, o in people if row.intent and topics.of_intents({row.intent})]
    return {
        "n": len(seen),
        "share": {name: counts[name] / len(seen) for name in OUTCOMES},
        "right": {name: _share(right[name], counts[name]) for name in OUTCOMES},
        "wrong_answers": (counts["answers"] - right["answers"]) / len(seen),
        "for_people_missed": _share(sum(_missed(people)), len(people)),
        "topics_missed": _share(sum(_missed(grave)), len(grave)),
    }


def _missed(rows: Sequence[tuple[Message, str]]) -> Iterator[bool]:
    return (outcome not in _FOR_PEOPLE for _, outcome in rows)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
