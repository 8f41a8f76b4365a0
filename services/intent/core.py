"""Pure decisions of the router: from scores, words and flags to one of four ways."""

from dataclasses import dataclass
from typing import Literal, Protocol

from services.intent.settings import IntentSettings
from shared.events import Route
from shared.keywords import route_by_keywords

Action = Literal["template", "documents", "hand_over"]

OUT_OF_SCOPE = (
    "I'm afraid that is outside of what I can help with here. "
    "I know about our shop, our products and your orders. Is there anything there I can do?"
)


class Scores(Protocol):
    """What the classifier says about one message; confidences are calibrated, in 0–1."""

    @property
    def route(self) -> str: ...
    @property
    def route_confidence(self) -> float: ...
    @property
    def intent(self) -> str: ...
    @property
    def intent_confidence(self) -> float: ...


@dataclass(frozen=True)
class Decision:
    """Which way, and the rule that says so."""

    action: Action
    route: Route
    intent: str
    confidence: float
    rule: str


def decide_by_words(text: str) -> Decision:
    """Without a model: keyword rules."""
    verdict = route_by_keywords(text)
    action: Action = "hand_over" if verdict.route == "escalate_human" else "documents"
    return Decision(
        action, verdict.route, verdict.intent, verdict.confidence, verdict.rule or "keywords.none"
    )


def decide(scores: Scores, text: str, flags: tuple[str, ...], settings: IntentSettings) -> Decision:
    """Sensitive topics first, then what was asked for in words, then the model when it is sure."""
    if flags:
        return Decision("hand_over", "escalate_human", flags[0], 1.0, f"topic.{flags[0]}")
    by_words = decide_by_words(text)
    if by_words.action == "hand_over":
        return by_words
    sure_from = {
        "faq": settings.min_faq_confidence,
        "escalate_human": settings.min_escalate_confidence,
        "chitchat": settings.min_chitchat_confidence,
        "out_of_scope": settings.min_out_of_scope_confidence,
    }.get(scores.route)
    unsure = sure_from is None or scores.route_confidence < sure_from
    # A template is only as right as the fine intent that picks it.
    wavering = scores.route == "faq" and scores.intent_confidence < settings.min_intent_confidence
    if unsure or wavering:
        # The documents are the safe way: nothing found there still leads to a person.
        return Decision(
            "documents", "knowledge_base", scores.intent, scores.route_confidence, "model"
        )
    route: Route = scores.route  # type: ignore[assignment]  # one of the keys above
    action: Action = "hand_over" if route == "escalate_human" else "template"
    return Decision(action, route, scores.intent, scores.route_confidence, f"model.{scores.intent}")


REASONS = {
    "ask_for_human": "The customer asked for a person.",
    "self_harm": "The customer may be in danger.",
    "legal_threat": "The customer mentions legal steps.",
    "fraud_report": "The customer reports fraud.",
    "account_deletion": "The customer wants an account or personal data deleted.",
}


def reason_for(intent: str) -> str:
    """Why a person is needed, in words for the agent."""
    return REASONS.get(intent, f"A matter for a person: {intent.replace('_', ' ')}.")
