"""Bring to the customer what the other services found, if the customer is here."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.gateway import core, frames
from services.gateway.boards import Catalogue, Owners
from services.gateway.frames import Frame
from services.gateway.rooms import Key, Rooms
from services.gateway.schemas import ChatAnswer
from services.gateway.settings import GatewaySettings
from shared import metrics
from shared.boards import StopBoard
from shared.clock import Clock
from shared.events import (
    AgentReplied,
    Answered,
    CaseOpened,
    ConversationErased,
    Escalated,
    KnowledgeChanged,
    OwnerChanged,
    PresenceNoticed,
    TurnEvent,
    TurnStopped,
)

log = logging.getLogger(__name__)

FRESH_OWNER_MS = 60_000  # older changes are replayed at start, and are no news


class Delivers(Protocol):
    """Gives frames to clients."""

    async def send(self, key: Key, frames: Sequence[Frame]) -> None: ...
    def tell(self, key: Key, frame: Frame) -> None: ...


class Remembers(Protocol):
    """Keeps what the gateway must know of a conversation later."""

    async def remember_exchange(self, event: Answered) -> None: ...
    async def record_owner(self, event: OwnerChanged) -> None: ...
    async def end_turn(self, key: Key, turn_id: str) -> None: ...
    async def pending_turns(self, key: Key) -> Mapping[str, int]: ...


@dataclass(frozen=True)
class Deps:
    """What the gateway's handlers need."""

    settings: GatewaySettings
    instance: str
    rooms: Rooms
    delivery: Delivers
    conversations: Remembers
    owners: Owners
    catalogue: Catalogue
    stops: StopBoard
    clock: Clock

    def concerns(self, event: TurnEvent) -> bool:
        """Whether somebody of this conversation is here, or the answer was asked for here."""
        key = (event.tenant_id, event.conversation_id)
        return event.reply_to == self.instance or self.rooms.get(key) is not None

    def late(self, event: TurnEvent) -> bool:
        """Whether the deadline's text has been sent for this turn."""
        return core.is_late(event, self.clock.unix_ms(), self.settings.deadline_s)


async def deliver_answer(event: Answered, deps: Deps) -> None:
    """Show an answer or a part of it, unless it was stopped or a person has taken over."""
    if event.told or not deps.concerns(event) or deps.stops.has(event.turn_id):
        return
    key = (event.tenant_id, event.conversation_id)
    if deps.owners.agent(*key) is not None:
        metrics.DROPPED.labels("owner").inc()
        log.info("an agent has the conversation: answer of turn %s dropped", event.turn_id)
        return
    late = deps.late(event)
    if not event.last:
        if turn := deps.rooms.turn(key, event.turn_id):
            turn.parts[event.part] = event.text
        if not late:
            await deps.delivery.send(key, [frames.delta_frame(event)])
        return
    answer = core.answer_of(event, deps.clock.unix_ms(), late=late)
    shown = frames.answer_frames(answer)
    if event.options:  # a click on a button may be quicker than the store
        await deps.conversations.remember_exchange(event)
        await _finish(key, answer, shown, deps)
        return
    await asyncio.gather(
        _finish(key, answer, shown, deps), deps.conversations.remember_exchange(event)
    )


async def announce_hand_over(event: Escalated, deps: Deps) -> None:
    """Tell the customer that a person takes over."""
    if not deps.concerns(event) or deps.stops.has(event.turn_id):
        return
    key = (event.tenant_id, event.conversation_id)
    if deps.owners.agent(*key) is not None:
        return  # the person is already here
    answer = core.hand_over_of(event, deps.clock.unix_ms(), late=deps.late(event))
    await _finish(key, answer, [frames.escalated_frame(event), frames.answer_frame(answer)], deps)


async def _finish(key: Key, answer: ChatAnswer, frames: Sequence[Frame], deps: Deps) -> None:
    if turn := deps.rooms.turn(key, answer.turn_id):
        turn.finish(answer)
    await deps.delivery.send(key, frames)
    await deps.conversations.end_turn(key, answer.turn_id)


async def announce_queue(event: CaseOpened, deps: Deps) -> None:
    """Tell the customer where they stand."""
    if deps.concerns(event):
        key = (event.tenant_id, event.conversation_id)
        await deps.delivery.send(key, [frames.case_frame(event)])


async def deliver_agent_message(event: AgentReplied, deps: Deps) -> None:
    """Show what an agent said; kept for a customer who is away for a moment."""
    key = (event.tenant_id, event.conversation_id)
    await deps.delivery.send(key, [frames.agent_frame(event)])


async def show_presence(event: PresenceNoticed, deps: Deps) -> None:
    """Show that the agent is writing."""
    if event.side == "agent" and event.state == "typing":
        key = (event.tenant_id, event.conversation_id)
        deps.delivery.tell(key, frames.agent_typing_frame(event))


async def end_stopped_turn(event: TurnStopped, deps: Deps) -> None:
    """End a stopped turn with what was shown of it."""
    key = (event.tenant_id, event.conversation_id)
    turn = deps.rooms.turn(key, event.turn_id)
    if turn is None or turn.result.done():
        return  # another process has it, or it had its answer before
    answer = core.stopped_answer(event, turn.shown)
    await _finish(key, answer, [frames.answer_frame(answer, "stopped")], deps)


async def follow_owner(event: OwnerChanged, deps: Deps) -> None:
    """Keep the owner record; a take-over ends what the bot was about to say."""
    deps.owners.post(event)
    await deps.conversations.record_owner(event)
    if deps.clock.unix_ms() - event.changed_unix_ms > FRESH_OWNER_MS:
        return
    key = (event.tenant_id, event.conversation_id)
    agent = deps.owners.agent(*key)
    await deps.delivery.send(key, [frames.owner_frame(event, agent is not None)])
    for turn in deps.rooms.open_turns(key) if agent else ():
        answer = core.relayed_answer(key[1], turn.turn_id, event.agent_name, "full")
        await _finish(key, answer, [frames.answer_frame(answer)], deps)


async def forget_conversation(event: ConversationErased, deps: Deps) -> None:
    """Drop what this process remembers of an erased conversation."""
    deps.rooms.forget((event.tenant_id, event.conversation_id))


async def follow_knowledge(event: KnowledgeChanged, deps: Deps) -> None:
    """Keep the catalogue."""
    deps.catalogue.post(event)


HANDLERS = ()
BROADCAST = (
    deliver_answer,
    announce_hand_over,
    announce_queue,
    deliver_agent_message,
    show_presence,
    end_stopped_turn,
    forget_conversation,
)
REPLAYED = (follow_owner, follow_knowledge)
