"""Route one question."""

from dataclasses import dataclass
from typing import Protocol

from services.intent import core
from services.intent.settings import IntentSettings
from services.intent.templates import SMALL_TALK, SMALL_TALK_DEFAULT, Template
from shared.boards import PolicyBoard
from shared.errors import Overloaded, Transient
from shared.events import Answered, Escalated, Missed, Routed


class Classifier(Protocol):
    """Scores one message, in a bounded executor."""

    async def classify(self, text: str) -> core.Scores: ...


class Templates(Protocol):
    """Answers by intent."""

    def find(self, intent: str) -> Template | None: ...


@dataclass(frozen=True)
class Deps:
    """What the router needs."""

    settings: IntentSettings
    classifier: Classifier
    templates: Templates
    policy: PolicyBoard


async def route(event: Missed, deps: Deps) -> Routed | Answered | Escalated:
    """Answer from a template, hand over, or send the question to the documents."""
    decision = await _decide(event, deps)
    if decision.action == "hand_over":
        return event.then(
            Escalated,
            reason=core.reason_for(decision.intent),
            rule=decision.rule,
            question=event.text,
            intent=decision.intent,
            confidence=decision.confidence,
        )
    if decision.action == "template":
        answer = _from_template(event, decision, deps)
        if answer is not None:
            return answer
    return event.then(
        Routed,
        route="knowledge_base",
        intent=decision.intent,
        intent_confidence=decision.confidence,
    )


async def _decide(event: Missed, deps: Deps) -> core.Decision:
    if not deps.policy.current.classify:
        return core.decide_by_words(event.text)
    try:
        scores = await deps.classifier.classify(event.text)
    except (Overloaded, Transient):
        return core.decide_by_words(event.text)  # a late guess helps nobody; words are at hand
    return core.decide(scores, event.text, event.flags, deps.settings)


def _from_template(event: Missed, decision: core.Decision, deps: Deps) -> Answered | None:
    template = deps.templates.find(decision.intent)
    if template is not None:
        text, citations = template.text, template.citation()
    elif decision.route == "chitchat":
        text, citations = SMALL_TALK.get(decision.intent, SMALL_TALK_DEFAULT), ()
    elif decision.route == "out_of_scope":
        text, citations = core.OUT_OF_SCOPE, ()
    else:
        return None
    return event.then(
        Answered,
        text=text,
        question=event.text,
        route=decision.route,
        intent=decision.intent,
        origin="faq",
        confidence=decision.confidence,
        citations=citations,
    )


HANDLERS = (route,)
BROADCAST = ()
REPLAYED = ()
