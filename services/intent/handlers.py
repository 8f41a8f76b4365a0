"""Route one question."""

from dataclasses import dataclass, replace
from typing import Protocol

from services.intent import core, phrases, texts
from services.intent.adapters import Unsure
from services.intent.settings import IntentSettings
from services.intent.templates import SMALL_TALK, SMALL_TALK_DEFAULT, Library, Template
from services.intent.topics import Topics
from shared import metrics
from shared.boards import PolicyBoard
from shared.errors import Overloaded, Transient
from shared.events import Answered, ConversationErased, Escalated, Missed, Routed
from shared.offers import OPTIONS, PERSON, offering


class Classifier(Protocol):
    """Scores one message, in a bounded executor."""

    async def classify(self, text: str) -> core.Scores: ...


class Templates(Protocol):
    """The FAQ answers as they are now."""

    def current(self) -> Library: ...


class Offers(Protocol):
    """Lets a conversation be offered a person once."""

    async def claim(self, event: Missed) -> bool: ...


class UnsureMessages(Protocol):
    """Keeps what is worth a label."""

    async def note(self, tenant_id: str, message: Unsure) -> None: ...
    async def forget(self, event: ConversationErased) -> None: ...


class Confidences(Protocol):
    """Counts how sure the model is, for the weekly look at its drift."""

    async def count(self, tenant_id: str, confidence: float) -> None: ...


@dataclass(frozen=True)
class Deps:
    """What the router needs."""

    settings: IntentSettings
    classifier: Classifier
    templates: Templates
    topics: Topics
    offers: Offers
    unsure: UnsureMessages
    confidences: Confidences
    policy: PolicyBoard


async def route(event: Missed, deps: Deps) -> Routed | Answered | Escalated:
    """Answer from a template, ask back, offer a person, hand over, or leave it to the documents."""
    decision = await _decide(event, deps)
    metrics.DECISIONS.labels(event.tenant_id, decision.action).inc()
    if decision.action == "hand_over":
        return event.then(
            Escalated,
            reason=decision.reason,
            rule=decision.rule,
            question=event.text,
            intent=decision.intent,
            confidence=decision.confidence,
        )
    return _answer(event, decision, deps.templates.current()) or event.then(
        Routed,
        route="knowledge_base",
        intent=decision.intent,
        intent_confidence=decision.confidence,
        offer=decision.offer,
    )


async def _decide(event: Missed, deps: Deps) -> core.Decision:
    """Look twice when a person would be offered but one was before."""
    said = core.Said(event.text, event.flags, event.context, may_offer=not event.shadow_of)
    decision, scores = await _look(event, said, deps)
    if decision.offer == PERSON and not await deps.offers.claim(event):
        decision, scores = await _look(event, replace(said, may_offer=False), deps)
    if scores is not None and not event.shadow_of:  # nobody wrote that: it would count twice
        await _learn(event, scores, decision, deps)
    return decision


async def _look(
    event: Missed, said: core.Said, deps: Deps
) -> tuple[core.Decision, core.Scores | None]:
    topics = deps.topics.current()
    if found := core.decide_by_words(said, topics):
        return found, None
    if picked := _picked(said, deps.templates.current()):
        return core.Decision("template", "faq", picked.intent, 1.0, "pick"), None
    if not deps.policy.current.classify:
        return core.unclassified(), None
    try:
        scores = await deps.classifier.classify(said.text)
        anger = await _earlier_anger(scores, said, deps)
    except (Overloaded, Transient):
        return core.unclassified(), None  # a late guess helps nobody
    said = replace(said, earlier_anger=anger)
    return core.decide_by_scores(said, scores, topics, deps.settings), scores


def _picked(said: core.Said, library: Library) -> Template | None:
    """The answer that the customer chose: of those just offered, or by its title at any time."""
    title = phrases.picked(said.text, said.context[-1].options) if said.context else None
    return library.picked(title or said.text)


async def _earlier_anger(scores: core.Scores, said: core.Said, deps: Deps) -> tuple[float, ...]:
    """Of the last messages before; looked at only when this one is angry, and it matters."""
    if not said.may_offer or scores.frustration < deps.settings.min_frustration:
        return ()
    before = said.context[-(phrases.LOOP_TURNS - 1) :]
    found = [await deps.classifier.classify(exchange.question) for exchange in before]
    return tuple(each.frustration for each in found)


async def _learn(event: Missed, scores: core.Scores, decision: core.Decision, deps: Deps) -> None:
    await deps.confidences.count(event.tenant_id, scores.route_confidence)
    if decision.unsure:
        confidence = round(scores.route_confidence, 4)
        guess = (scores.intent, scores.route, confidence)
        message = Unsure(event.turn_id, event.text, *guess, event.conversation_id)
        await deps.unsure.note(event.tenant_id, message)


def _answer(event: Missed, decision: core.Decision, library: Library) -> Answered | None:
    if decision.action == "offer":
        return _say(event, decision, decision.text, options=OPTIONS)
    if decision.action == "confirm":
        options = (texts.CONFIRM_YES, texts.CONFIRM_NO)
        return _say(event, decision, decision.text, options=options)
    if decision.action == "decline":
        return _say(event, decision, decision.text)
    if decision.action == "choose":
        return _ask_which(event, decision, library)
    return _from_template(event, decision, library) if decision.action == "template" else None


def _ask_which(event: Missed, decision: core.Decision, library: Library) -> Answered | None:
    found = [library.by_intent[name] for name in decision.choices if name in library.by_intent]
    titles = tuple(template.title for template in found if not template.options)
    return _say(event, decision, texts.WHICH, options=titles) if len(titles) > 1 else None


def _from_template(event: Missed, decision: core.Decision, library: Library) -> Answered | None:
    template = library.by_intent.get(decision.intent)
    if template is not None:
        options = library.titles(template.options)
        decision = replace(decision, offer="") if options else decision  # one question at a time
        return _say(event, decision, template.text, template=template, options=options)
    if decision.route == "chitchat":
        return _say(event, decision, SMALL_TALK.get(decision.intent, SMALL_TALK_DEFAULT))
    if decision.route == "out_of_scope":
        return _say(event, decision, texts.OUT_OF_SCOPE)
    return None


def _say(
    event: Missed,
    decision: core.Decision,
    text: str,
    *,
    template: Template | None = None,
    options: tuple[str, ...] = (),
) -> Answered:
    if decision.offer == PERSON and not options:  # an answer, and the offer under it
        text, options = offering(text), OPTIONS
    return event.then(
        Answered,
        text=text,
        question=event.text,
        route=decision.route if decision.action != "confirm" else "chitchat",
        intent=decision.intent,
        origin="faq",
        confidence=decision.confidence,
        citations=template.citation() if template else (),
        rule=decision.rule,
        offer=decision.offer,
        options=options,
    )


async def forget(event: ConversationErased, deps: Deps) -> None:
    """Nothing of an erased conversation waits for a label."""
    await deps.unsure.forget(event)


HANDLERS = (route, forget)
BROADCAST = ()
REPLAYED = ()
