"""What happens in place of an optional service that is down.

Each is pure: the event that the service would have produced having found nothing. Upstream applies
it once the policy names the service (`step_past`), and the degradation controller drains with it
what already waits in the dead service's topic. Safety has no entry: it is never stepped past; its
understudy lives in `services/degradation`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from shared.events import Drafted, Event, Grounded, Missed, Routed, Screened
from shared.extractive import draft_from_passages
from shared.keywords import route_by_keywords


def bypass_cache(event: Screened) -> Missed:
    """A miss, without an embedding: retrieval works lexically or embeds itself."""
    return event.then(Missed)


def bypass_intent(event: Missed) -> Routed:
    """Keyword rules stand in for the classifier."""
    verdict = route_by_keywords(event.text)
    return event.then(
        Routed,
        route=verdict.route,
        intent=verdict.intent,
        intent_confidence=verdict.confidence,
    )


def bypass_retrieval(event: Routed) -> Grounded:
    """No passages: whoever generates must hand over."""
    return event.then(Grounded)


def bypass_generation(event: Grounded) -> Drafted:
    """The best sentences of the passages, quoted."""
    return draft_from_passages(event)


BYPASS: Mapping[type[Event], tuple[str, Callable[[Any], Event]]] = {
    Screened: ("cache", bypass_cache),
    Missed: ("intent", bypass_intent),
    Routed: ("retrieval", bypass_retrieval),
    Grounded: ("generation", bypass_generation),
}


def step_past(event: Event, bypassed: frozenset[str]) -> Event:
    """`event`, or what the chain of bypassed services after it would have made of it."""
    while (entry := BYPASS.get(type(event))) and entry[0] in bypassed:
        event = entry[1](event)
    return event
