"""What the bot never settles alone: a policy in a YAML file that people edit while we run."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import yaml

from services.intent.phrases import refund_amount
from services.intent.reloading import ReloadedFile
from shared.errors import ConfigurationError
from shared.keywords import sensitive_topics

TopicAction = Literal["hand_over", "confirm", "answer"]
REFUND = "refund_over_limit"
AT_ONCE = ("self_harm", "injury")  # nobody in danger is asked to confirm
NEVER_ALONE = (*AT_ONCE, "fraud_report", "legal_threat", "account_deletion", REFUND)


@dataclass(frozen=True)
class Topic:
    """One sensitive matter and what happens to it.

    `hand_over`: a person, at once. `confirm`: the bot says what will happen and asks; a yes goes to
    a person. `answer`: nothing special.
    """

    name: str
    action: TopicAction
    reason: str  # for the agent
    ask: str = ""  # for the customer, when `confirm`
    intents: tuple[str, ...] = ()  # fine intents that mean this topic, too


@dataclass(frozen=True)
class TopicPolicy:
    """All topics, gravest first."""

    topics: Mapping[str, Topic] = field(default_factory=dict)
    refund_limit: Decimal | None = None

    def found(self, text: str, flags: Sequence[str], before: str = "") -> Topic | None:
        """The gravest topic of a message: by the screen's flags, its words, the money it wants.

        `before`: the customer's message before this one. A flag the file does not know hands over.
        """
        seen = {*flags, *sensitive_topics(text)}
        amount = refund_amount(text, before)
        if amount is not None and self.refund_limit is not None and amount > self.refund_limit:
            seen.add(REFUND)
        for topic in self.topics.values():
            if topic.action != "answer" and topic.name in seen:
                return topic
        unknown = next((name for name in sorted(seen) if name not in self.topics), None)
        return None if unknown is None else Topic(unknown, "hand_over", _reason(unknown))

    def of_intents(self, intents: AbstractSet[str]) -> Topic | None:
        """The gravest topic that one of these fine intents means."""
        for topic in self.topics.values():
            if topic.action != "answer" and not intents.isdisjoint(topic.intents):
                return topic
        return None


def _reason(name: str) -> str:
    return f"A matter for a person: {name.replace('_', ' ')}."


class Topics(Protocol):
    """The policy as it is now."""

    def current(self) -> TopicPolicy: ...


def open_topics(path: Path) -> ReloadedFile[TopicPolicy]:
    """The policy of a file. Raises ConfigurationError."""
    return ReloadedFile(path, parse_topics)


def parse_topics(content: str, source: str) -> TopicPolicy:
    """The policy of a YAML document. Raises ConfigurationError naming what is wrong."""
    try:
        document = yaml.safe_load(content)
        topics = {entry["topic"]: _topic(entry, source) for entry in document["topics"]}
        limit = document.get("refund_limit")
        policy = TopicPolicy(topics, None if limit is None else Decimal(str(limit)))
    except yaml.YAMLError as error:  # says the line
        raise ConfigurationError(f"{source}: not a topic file: {error}") from None
    except (KeyError, AttributeError, TypeError, ArithmeticError) as error:
        raise ConfigurationError(f"{source}: not a topic file: {error!r}") from None
    amount = policy.refund_limit
    if amount is not None and (not amount.is_finite() or amount < 0):
        raise ConfigurationError(f"{source}: refund_limit must be 0 or more, not {limit}")
    return policy


def _topic(entry: dict[str, Any], source: str) -> Topic:
    name, action = str(entry["topic"]), entry["action"]
    if action not in get_args(TopicAction):
        allowed = ", ".join(get_args(TopicAction))
        raise ConfigurationError(f"{source}: {name}: action {action!r} is none of {allowed}")
    if name in AT_ONCE and action != "hand_over":
        raise ConfigurationError(f"{source}: {name}: must be hand_over: people may be in danger")
    if name in NEVER_ALONE and action == "answer":
        raise ConfigurationError(f"{source}: {name}: must be hand_over or confirm")
    if action == "confirm" and not entry.get("ask"):
        raise ConfigurationError(f"{source}: {name}: `confirm` needs `ask`, what the bot says")
    return Topic(
        name,
        action,
        str(entry.get("reason") or _reason(name)),
        str(entry.get("ask", "")),
        tuple(entry.get("intents", ())),
    )
