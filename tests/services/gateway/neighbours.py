"""The other services in miniature: real handlers that say what a test needs, by the words asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from shared.clock import SystemClock
from shared.events import (
    BOT,
    AgentReplied,
    Answered,
    CaseOpened,
    Citation,
    DocumentSubmitted,
    Escalated,
    KnowledgeChanged,
    OwnerChanged,
    Received,
    Relayed,
)
from shared.offers import OPTIONS, PERSON
from shared.runner import Runtime
from shared.service import Service

SOURCE = Citation(
    document_id="return-an-item",
    document_version="3f1c9a0be2d45c11",
    title="Return an item",
    source="https://morrow.example/help/return-an-item",
    snippet="You can return unused items within 30 days of delivery.",
    score=0.82,
)
CHOICES = ("Cancel an order", "Cancel Morrow Club", "Take my address off every list you keep")
SENTENCES = (
    "You can return unused items within 30 days of delivery.",
    "Machines, grinders and scales may be tried at home and returned clean.",
    "A return label costs 4.95 euros, which we take off your refund.",
)


@dataclass(frozen=True)
class Deps:
    """How slowly the neighbours speak."""

    pause_s: float = 0.0


async def converse(
    event: Received, deps: Deps
) -> AsyncIterator[Answered | Escalated | Relayed | OwnerChanged]:
    """Streams for "return", silence for "nothing", a person for "person", an echo otherwise.

    "agent" is offered a person, "cancel" is asked which.
    """
    text = event.text.lower()
    known: dict[str, Any] = {"question": event.text, "route": "knowledge_base"}
    known |= {"origin": "knowledge", "tier": "extractive", "confidence": 0.91}
    if event.owner != BOT:
        yield event.then(Relayed, text=event.text)
    elif text == "agent":
        yield event.then(
            Answered, text="Shall I bring in a colleague?", offer=PERSON, options=OPTIONS, **known
        )
    elif text == "cancel":
        yield event.then(Answered, text="Which one?", options=CHOICES, **known)
    elif "person" in text:
        yield event.then(
            Escalated, reason="The customer asked for a person.", rule="intent.ask_for_human"
        )
    elif "return" in text:
        for part, sentence in enumerate(SENTENCES):
            await asyncio.sleep(deps.pause_s)
            yield event.then(Answered, part=part, last=False, text=sentence, **known)
        whole = " ".join(SENTENCES)
        yield event.then(Answered, part=len(SENTENCES), text=whole, citations=(SOURCE,), **known)
    elif "nothing" not in text:
        context = f" after {len(event.context)}" if event.context else ""
        yield event.then(Answered, text=f"You said: {event.text}{context}", **known)


async def open_case(
    event: Escalated, deps: Deps
) -> AsyncIterator[CaseOpened | OwnerChanged | AgentReplied]:
    """A case, then Sam takes it and says hello, if neighbours are not in a hurry."""
    yield event.then(CaseOpened, case_id="C-1", queue_position=2)
    if not deps.pause_s:
        return
    await asyncio.sleep(deps.pause_s * 3)
    now_ms = SystemClock().unix_ms()
    yield take_over(event.tenant_id, event.conversation_id, now_ms)
    await asyncio.sleep(deps.pause_s * 3)
    yield agent_says(event.tenant_id, event.conversation_id, "Hi, this is Sam. How can I help?")


async def listen(event: Relayed, deps: Deps) -> AgentReplied:
    """Sam repeats what the customer says."""
    text = f"I see: {event.text}"
    return agent_says(event.tenant_id, event.conversation_id, text, event.turn_id)


async def index(event: DocumentSubmitted, deps: Deps) -> KnowledgeChanged:
    """Indexes in no time."""
    return KnowledgeChanged(
        tenant_id=event.tenant_id,
        document_id=event.document_id,
        version=event.version,
        title=event.title or event.content.partition("\n")[0].strip("# "),
        state="removed" if event.withdrawn else "indexed",
        chunks=0 if event.withdrawn else 1,
        knowledge_version=f"k-{event.version}",
        changed_unix_ms=event.submitted_unix_ms,
    )


def take_over(tenant_id: str, conversation_id: str, now_ms: int) -> OwnerChanged:
    """Sam takes the conversation."""
    return OwnerChanged(
        tenant_id=tenant_id,
        conversation_id=conversation_id,
        owner="sam@morrow.example",
        agent_name="Sam",
        changed_unix_ms=now_ms,
    )


def agent_says(
    tenant_id: str, conversation_id: str, text: str, message_id: str = "m-1"
) -> AgentReplied:
    """Sam says something."""
    return AgentReplied(
        tenant_id=tenant_id,
        conversation_id=conversation_id,
        message_id=message_id,
        agent="sam@morrow.example",
        agent_name="Sam",
        text=text,
        sent_unix_ms=SystemClock().unix_ms(),
    )


def opener(pause_s: float = 0.0) -> Any:
    """How to open the neighbours as one service."""

    @asynccontextmanager
    async def open_neighbours(_runtime: Runtime) -> AsyncIterator[Service]:
        handlers = (converse, open_case, listen, index)
        yield Service("safety", Deps(pause_s), handlers=handlers)

    return open_neighbours
