"""Pure decisions of the router: from scores, words, topics and the conversation to one way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from services.intent import phrases
from services.intent.settings import IntentSettings
from services.intent.topics import Topic, TopicPolicy
from shared.events import Exchange, Route
from shared.keywords import route_by_keywords

Action = Literal["template", "choose", "documents", "offer", "confirm", "decline", "hand_over"]

OUT_OF_SCOPE = (
    "I'm afraid that is outside of what I can help with here. "
    "I know about our shop, our products and your orders. Is there anything there I can do?"
)
OFFER_YES, OFFER_NO = "Talk to a person", "No, thanks"
CONFIRM_YES, CONFIRM_NO = "Yes, go ahead", "No, thanks"
OFFERS = {
    "offer.bare_word": "Shall I bring in a colleague? You can also just tell me what it is about.",
    "offer.anger": (
        "I'm sorry, this has clearly been frustrating. Shall I bring in a colleague to sort it out?"
    ),
    "offer.loop": (
        "I seem to be going round in circles, sorry. Shall I bring in a colleague who can look at "
        "it properly?"
    ),
}
WHICH = "I want to be sure I get this right. Which of these do you mean?"
DECLINED = "All right. What else can I help you with?"
PERSON = "person"  # what an offer offers; a confirmation names its topic instead
_CONFIRM = "confirm:"


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
    @property
    def ranking(self) -> tuple[tuple[str, float], ...]: ...
    @property
    def frustration(self) -> float: ...


@dataclass(frozen=True)
class Said:
    """A message and what came before it in its conversation."""

    text: str
    flags: tuple[str, ...] = ()  # sensitive topics that the screen saw
    context: tuple[Exchange, ...] = ()  # oldest first
    earlier_anger: tuple[float, ...] = ()  # frustration of the last messages before, oldest first
    may_offer: bool = True  # False: a person was offered in this conversation before

    @property
    def pending(self) -> str:
        """What the last answer offered or asked to confirm; empty when it did not."""
        return self.context[-1].offer if self.context else ""


@dataclass(frozen=True)
class Decision:
    """Which way, and the rule that says so."""

    action: Action
    route: Route
    intent: str
    confidence: float
    rule: str
    reason: str = ""  # of a hand-over, for the agent
    text: str = ""  # of an offer, a confirmation, a refusal of one
    offer: str = ""  # what the next yes would mean
    choices: tuple[str, ...] = ()  # fine intents to choose from
    unsure: bool = False  # worth a label


def decide_by_words(text: str) -> Decision:
    """Without a model: keyword rules."""
    verdict = route_by_keywords(text)
    action: Action = "hand_over" if verdict.route == "escalate_human" else "documents"
    rule = verdict.rule or "keywords.none"
    reason = reason_for(verdict.intent) if action == "hand_over" else ""
    return Decision(action, verdict.route, verdict.intent, verdict.confidence, rule, reason)


def decide(said: Said, scores: Scores, topics: TopicPolicy, settings: IntentSettings) -> Decision:
    """Topics, then what was offered, then a wish in words, then mood, then the model."""
    sure = scores.route == "escalate_human" and (
        scores.route_confidence >= settings.min_escalate_confidence
    )
    topic = topics.found(said.text, said.flags, scores.intent if sure else "")
    if topic is not None:
        return _of_topic(topic, said)
    return (
        _of_reply(said, topics)
        or _asked_for_person(said)
        or _of_mood(said, scores, settings)
        or _of_model(scores, settings)
    )


def _of_topic(topic: Topic, said: Said) -> Decision:
    if topic.action == "hand_over" or said.pending == _CONFIRM + topic.name:
        return _hand_over(topic.name, f"topic.{topic.name}", topic.reason)
    return Decision(
        "confirm",
        "escalate_human",
        topic.name,
        1.0,
        f"topic.{topic.name}.confirm",
        text=topic.ask,
        offer=_CONFIRM + topic.name,
    )


def _of_reply(said: Said, topics: TopicPolicy) -> Decision | None:
    """A yes or no to what the last answer offered."""
    if not said.pending:
        return None
    if phrases.declines(said.text):
        rule = "offer.declined"
        return Decision("decline", "chitchat", "decline", 1.0, rule, text=DECLINED)
    if not phrases.agrees(said.text):
        return None
    if said.pending == PERSON:
        return _hand_over("ask_for_human", "offer.accepted", "The customer accepted a person.")
    name = said.pending.removeprefix(_CONFIRM)
    topic = topics.topics.get(name, Topic(name, "confirm", reason_for(name)))
    asked = said.context[-1].question
    reason = f"{topic.reason} Confirmed by the customer: {asked}"
    return _hand_over(name, f"topic.{name}.confirmed", reason)


def _asked_for_person(said: Said) -> Decision | None:
    if phrases.is_bare_word(said.text):
        if said.may_offer:
            return _offer("offer.bare_word")
        return _hand_over("ask_for_human", "words.bare_again", reason_for("ask_for_human"))
    by_words = decide_by_words(said.text)
    return by_words if by_words.action == "hand_over" else None


def _of_mood(said: Said, scores: Scores, settings: IntentSettings) -> Decision | None:
    """Anger over several turns, or the same matter over three: a person is offered, once."""
    if not said.may_offer:
        return None
    if phrases.goes_round(said.text, said.context) or phrases.is_unhelped(said.text, said.context):
        return _offer("offer.loop")
    angry = settings.min_frustration
    lasting = bool(said.earlier_anger) and said.earlier_anger[-1] >= angry
    complains = scores.route == "escalate_human" and scores.intent == "complaint_angry"
    if (scores.frustration >= angry and lasting) or (
        complains and scores.route_confidence >= settings.min_escalate_confidence
    ):
        return _offer("offer.anger")
    return None


def _of_model(scores: Scores, settings: IntentSettings) -> Decision:
    """What the classifier is sure of; else the documents, where nothing found leads to a person."""
    documents = Decision(
        "documents", "knowledge_base", scores.intent, scores.route_confidence, "model.documents"
    )
    sure_from = {
        "knowledge_base": 0.0,
        "faq": settings.min_faq_confidence,
        "escalate_human": settings.min_escalate_confidence,
        "chitchat": settings.min_chitchat_confidence,
        "out_of_scope": settings.min_out_of_scope_confidence,
    }[scores.route]
    unsure = scores.route_confidence < settings.min_label_confidence
    if scores.route == "knowledge_base" or scores.route_confidence < sure_from:
        return replace(documents, unsure=unsure)
    if scores.route == "escalate_human":
        rule = f"model.{scores.intent}"
        handed = _hand_over(scores.intent, rule, reason_for(scores.intent))
        return replace(handed, confidence=scores.route_confidence, unsure=unsure)
    route: Route = scores.route  # type: ignore[assignment]  # one of the keys above
    found = Decision(
        "template", route, scores.intent, scores.route_confidence, f"model.{scores.intent}"
    )
    if route != "faq" or scores.intent_confidence >= settings.min_intent_confidence:
        return found
    # A template is only as right as the fine intent that picks it.
    if choices := _close_rivals(scores.ranking, settings):
        return replace(found, action="choose", rule="model.ambiguous", choices=choices, unsure=True)
    return replace(documents, unsure=True)


def _close_rivals(
    ranking: Sequence[tuple[str, float]], settings: IntentSettings
) -> tuple[str, ...]:
    """Two or three intents that together are sure, when none is alone; else none."""
    kept = [name for name, chance in ranking[:3] if chance >= settings.min_choice_confidence]
    together = sum(chance for name, chance in ranking[:3] if name in kept)
    enough = len(kept) >= 2 and together >= settings.min_choices_confidence
    return tuple(kept) if enough else ()


def _offer(rule: str) -> Decision:
    return Decision("offer", "chitchat", "offer_person", 1.0, rule, text=OFFERS[rule], offer=PERSON)


def _hand_over(intent: str, rule: str, reason: str) -> Decision:
    return Decision("hand_over", "escalate_human", intent, 1.0, rule, reason)


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
