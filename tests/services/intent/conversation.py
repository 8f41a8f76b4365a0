"""What the tests of the router are built from: scores, a policy, a library, a small world."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.intent import core
from services.intent.adapters import OfferBook, UnsureLog
from services.intent.classifier import Scores
from services.intent.confidences import ConfidenceLog
from services.intent.handlers import Deps
from services.intent.settings import IntentSettings
from services.intent.templates import open_templates
from services.intent.topics import open_topics
from shared.boards import PolicyBoard
from shared.clock import ManualClock
from shared.events import Exchange, Missed
from shared.kv.memory import MemoryKeyValue

SHOP = Path("infra/sample_shop")


def scored(
    route: str = "faq",
    confidence: float = 0.95,
    intent: str = "opening_hours",
    intent_confidence: float = 0.9,
    *,
    ranking: tuple[tuple[str, float], ...] = (),
    frustration: float = 0.0,
) -> Scores:
    return Scores(
        route,
        confidence,
        intent,
        intent_confidence,
        route == "out_of_scope",
        ranking or ((intent, intent_confidence),),
        frustration,
    )


def exchange(
    question: str, answer: str = "An answer.", offer: str = "", options: tuple[str, ...] = ()
) -> Exchange:
    return Exchange(question=question, answer=answer, offer=offer, options=options)


OFFERED = exchange("agent", "Shall I?", core.PERSON)


@dataclass
class Told:
    """A classifier that says what it was told to say of a text."""

    of: Mapping[str, Scores] = field(default_factory=dict)
    otherwise: Scores = field(default_factory=scored)
    trouble: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def classify(self, text: str) -> Scores:
        self.asked.append(text)
        if self.trouble:
            raise self.trouble
        return self.of.get(text, self.otherwise)


@dataclass
class World:
    """A router over a told classifier and a memory store."""

    told: Told = field(default_factory=Told)
    kv: MemoryKeyValue = field(default_factory=MemoryKeyValue)
    clock: ManualClock = field(default_factory=ManualClock)
    policy: PolicyBoard = field(default_factory=PolicyBoard)

    @property
    def unsure(self) -> UnsureLog:
        return UnsureLog(self.kv, ttl_s=60, most=3)

    @property
    def confidences(self) -> ConfidenceLog:
        return ConfidenceLog(self.kv, self.clock)

    @property
    def deps(self) -> Deps:
        return Deps(
            settings=IntentSettings(),
            classifier=self.told,
            templates=open_templates(SHOP / "faq.yaml"),
            topics=open_topics(SHOP / "topics.yaml"),
            offers=OfferBook(self.kv, ttl_s=60),
            unsure=self.unsure,
            confidences=self.confidences,
            policy=self.policy,
        )


_MISSED = Missed(
    tenant_id="t", conversation_id="c", turn_id="1", deadline_unix_ms=9, text="", fingerprint=""
)


def missed(text: str, *context: Exchange, turn: str = "1", **more: object) -> Missed:
    return replace_event(_MISSED, text=text, context=context, turn_id=turn, **more)


def replace_event(event: Missed, **more: object) -> Missed:
    return event.model_copy(update=more)


def said(text: str, *context: Exchange, **more: object) -> core.Said:
    return replace(core.Said(text, context=context), **more)  # type: ignore[arg-type]
