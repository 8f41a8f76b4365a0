"""Pure decisions of the router: from scores, words, topics and the conversation to one way."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from services.intent import phrases, texts
from services.intent.settings import IntentSettings
from services.intent.topics import Topic, TopicPolicy
from shared.events import Exchange, Route
from shared.keywords import ASKS_FOR_PERSON
from shared.offers import PERSON

Action = Literal["template", "choose", "documents", "offer", "confirm", "decline", "hand_over"]

_CONFIRM = "confirm:"
_ANSWERS = ("template", "documents")  # a person may be offered along with these


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
    @property
    def nearness(self) -> float: ...


@dataclass(frozen=True)
class Said:
    """A message and what came before it in its conversation."""

    text: str
    flags: tuple[str, ...] = ()  # sensitive topics that the screen saw
    context: tuple[Exchange, ...] = ()  # oldest first
    earlier_anger: tuple[float, ...] = ()  # frustration of the last messages before, oldest first
    may_offer: bool = True  # False: a person was offered in this conversation before

    @property
    def last_question(self) -> str:
        """What the customer wrote before; empty at the beginning."""
        return self.context[-1].question if self.context else ""

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
    offer: str = ""  # what the next yes would mean; may come along with an answer
    choices: tuple[str, ...] = ()  # fine intents to choose from
    unsure: bool = False  # worth a label


def decide_by_words(said: Said, topics: TopicPolicy) -> Decision | None:
    """What needs no model: topics, a wish for a person, a reply, going round. None: a question.

    A wish in words is granted before anything is asked back; danger goes before even that, so that
    the case says so.
    """
    topic = topics.found(said.text, said.flags, before=said.last_question)
    if topic is not None and topic.action == "hand_over":
        return _of_topic(topic, said)
    return (
        _of_reply(said, topics)
        or _asked_for_person(said)
        or (_of_topic(topic, said) if topic else None)
        or _of_bare_word(said)
        or _of_loop(said)
    )


def unclassified() -> Decision:
    """A question that no model has looked at: nothing found still leads to a person."""
    return Decision("documents", "knowledge_base", "unknown", 0.5, "unclassified")


def decide_by_scores(
    said: Said, scores: Scores, topics: TopicPolicy, settings: IntentSettings
) -> Decision:
    """What the model makes of a message that words did not decide: topics, mood, its own way."""
    topic = _topic_of(scores, topics, settings)
    if topic is not None:
        return _of_topic(topic, said)
    decision = _of_complaint(said, scores, settings) or _of_model(scores, settings)
    if _is_lasting_anger(said, scores, settings) and decision.action in _ANSWERS:
        return replace(decision, rule=f"{decision.rule}+offer.anger", offer=PERSON)
    return decision


def _topic_of(scores: Scores, topics: TopicPolicy, settings: IntentSettings) -> Topic | None:
    """A topic that the model sees. It needs less to be taken seriously than an answer would."""
    if scores.nearness < settings.min_topic_nearness:
        return None
    likely = {name for name, chance in scores.ranking if chance >= settings.min_topic_confidence}
    if (
        scores.route == "escalate_human"
        and scores.route_confidence >= settings.min_escalate_confidence
    ):
        likely.add(scores.intent)
    return topics.of_intents(likely)


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
        return Decision("decline", "chitchat", "decline", 1.0, rule, text=texts.DECLINED)
    if not phrases.agrees(said.text):
        return None
    if said.pending == PERSON:
        return _hand_over("ask_for_human", "offer.accepted", "The customer accepted a person.")
    name = said.pending.removeprefix(_CONFIRM)
    topic = topics.topics.get(name, Topic(name, "confirm", texts.reason_for(name)))
    asked = said.context[-1].question
    reason = f"{topic.reason} Confirmed by the customer: {asked}"
    return _hand_over(name, f"topic.{name}.confirmed", reason)


def _asked_for_person(said: Said) -> Decision | None:
    if ASKS_FOR_PERSON.search(said.text) and not phrases.refuses_person(said.text):
        return _hand_over("ask_for_human", "keywords.person", texts.reason_for("ask_for_human"))
    return None


def _of_bare_word(said: Said) -> Decision | None:
    if not phrases.is_bare_word(said.text):
        return None
    if said.may_offer:
        return _offer("offer.bare_word")
    return _hand_over("ask_for_human", "words.bare_again", texts.reason_for("ask_for_human"))


def _of_loop(said: Said) -> Decision | None:
    """The same matter over three turns, or an answer of no use: a person is offered, once."""
    if not said.may_offer:
        return None
    stuck = phrases.goes_round(said.text, said.context)
    stuck = stuck or phrases.is_unhelped(said.text, said.context)
    return _offer("offer.loop") if stuck else None


def _of_complaint(said: Said, scores: Scores, settings: IntentSettings) -> Decision | None:
    """Anger without a question: there is nothing to answer, so a person is offered, once."""
    complains = scores.route == "escalate_human" and scores.intent == "complaint_angry"
    sure = scores.route_confidence >= settings.min_escalate_confidence
    return _offer("offer.anger") if complains and sure and said.may_offer else None


def _is_lasting_anger(said: Said, scores: Scores, settings: IntentSettings) -> bool:
    """Two of the last three messages were angry, this one among them."""
    angry = settings.min_frustration
    before = any(earlier >= angry for earlier in said.earlier_anger)
    return said.may_offer and before and scores.frustration >= angry


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
        handed = _hand_over(scores.intent, rule, texts.reason_for(scores.intent))
        return replace(handed, confidence=scores.route_confidence, unsure=unsure)
    route: Route = scores.route  # type: ignore[assignment]  # one of the keys above
    found = Decision(
        "template", route, scores.intent, scores.route_confidence, f"model.{scores.intent}"
    )
    if route == "faq" and scores.nearness < settings.min_faq_nearness:
        return replace(documents, unsure=True)  # sure, but of something it never saw the like of
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
    return Decision(
        "offer", "chitchat", "offer_person", 1.0, rule, text=texts.OFFERS[rule], offer=PERSON
    )


def _hand_over(intent: str, rule: str, reason: str) -> Decision:
    return Decision("hand_over", "escalate_human", intent, 1.0, rule, reason)
