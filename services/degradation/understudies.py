"""Stand-ins that drain a dead service's topics from within its own consumer group.

For optional services they are the pure bypasses of `shared/understudies.py`. For safety they are a
screen by rules alone, stricter and simpler, and a check that lets only quotes from documents out.
"""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from shared import understudies as bypasses
from shared.events import (
    BOT,
    Answered,
    Citation,
    Drafted,
    Escalated,
    Grounded,
    Missed,
    Received,
    Relayed,
    Routed,
    Screened,
)
from shared.fingerprint import fingerprint
from shared.keywords import sensitive_topics
from shared.runner import Runtime, Worker
from shared.screening import injection_rule, is_abusive, mask_by_rules
from shared.service import HandlerFunction, Service

MIN_CONFIDENCE = 0.7


async def cache(event: Screened, deps: None) -> Missed:
    """A miss."""
    return bypasses.bypass_cache(event)


async def intent(event: Missed, deps: None) -> Routed:
    """Keyword rules."""
    return bypasses.bypass_intent(event)


async def retrieval(event: Routed, deps: None) -> Grounded:
    """No passages."""
    return bypasses.bypass_retrieval(event)


async def generation(event: Grounded, deps: None) -> Drafted:
    """Quotes."""
    return bypasses.bypass_generation(event)


async def safety_screen(event: Received, deps: None) -> Screened | Relayed | Escalated:
    """Rules alone; whatever they are not sure about goes to a person."""
    masked = mask_by_rules(event.text)
    topics = sensitive_topics(masked.text)
    if event.owner != BOT:
        return event.then(Relayed, text=masked.text)
    if injection_rule(masked.text) or is_abusive(masked.text):
        return event.then(
            Escalated,
            reason="A message that only a full check could judge.",
            rule="understudy.safety",
            question=masked.text,
            intent=topics[0] if topics else "",
        )
    return event.then(
        Screened,
        text=masked.text,
        fingerprint=fingerprint(masked.text),
        findings=masked.findings,
        flags=topics,
    )


async def safety_check(event: Drafted, deps: None) -> Answered | Escalated:
    """Only quotes from documents are vetted enough."""
    cited = [p for p in event.passages if p.passage_id in event.cited]
    sure = event.tier == "extractive" and event.confidence >= MIN_CONFIDENCE and bool(cited)
    if event.hand_over or not sure:
        reason = event.hand_over or "Not sure enough without the full check."
        return event.then(Escalated, reason=reason, rule="understudy.safety", draft=event.text)
    citations = tuple(Citation.of(passage) for passage in cited)
    return event.then(Answered, citations=citations)


UNDERSTUDIES: dict[str, tuple[HandlerFunction, ...]] = {
    "cache": (cache,),
    "intent": (intent,),
    "retrieval": (retrieval,),
    "generation": (generation,),
    "safety": (safety_screen, safety_check),
}


class Cover(Protocol):
    """Whoever keeps understudies running."""

    def cover(self, services: frozenset[str]) -> None:
        """Stand in for exactly these services from now on; coming and going takes a moment."""
        ...


@dataclass
class UnderstudyWorkers:
    """Runs understudies as members of the dead services' consumer groups."""

    runtime: Runtime

    def __post_init__(self) -> None:
        self._standing_in: dict[str, tuple[Worker, asyncio.Task[None]]] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    def cover(self, services: frozenset[str]) -> None:
        for name in self._standing_in.keys() - services:
            task = asyncio.create_task(_leave(*self._standing_in.pop(name)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for name in services - self._standing_in.keys():
            worker = Worker(Service(name, None, handlers=UNDERSTUDIES[name]), self.runtime)
            self._standing_in[name] = worker, asyncio.create_task(worker.join())

    async def close(self) -> None:
        """Stand in for nobody."""
        self.cover(frozenset())
        await asyncio.gather(*self._leaving)


async def _leave(worker: Worker, joining: asyncio.Task[None]) -> None:
    await asyncio.wait([joining])
    await worker.stop()
