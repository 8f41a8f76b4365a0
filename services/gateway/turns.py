"""A turn as its asker sees it: accepted, sent on its way, answered by the deadline at latest."""

import asyncio
import logging
import uuid
from collections.abc import Coroutine
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind

from services.gateway import core, frames
from services.gateway.adapters import Conversations, StoredAnswers
from services.gateway.boards import Catalogue, Owners
from services.gateway.broker import Broker
from services.gateway.delivery import Delivery
from services.gateway.rooms import Key, Rooms, Turn
from services.gateway.schemas import ChatAnswer
from services.gateway.settings import GatewaySettings
from shared import metrics
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.errors import Overloaded, Unavailable
from shared.events import BOT, Answered, Exchange, Received, TurnStopped
from shared.telemetry import Tracer, turn_context

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ask:
    """A valid question, allowed to come in."""

    key: Key
    text: str
    user_id: str = ""
    locale: str = "en"
    cache_control: str = ""
    client_id: str = ""
    begins: bool = False  # the first of its conversation: nothing came before it
    turn_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class TurnDeps:
    """What turns need."""

    settings: GatewaySettings
    rooms: Rooms
    delivery: Delivery
    conversations: Conversations
    owners: Owners
    catalogue: Catalogue
    broker: Broker
    stored: StoredAnswers
    policy: PolicyBoard
    tracer: Tracer
    clock: Clock
    instance: str


class Turns:
    """All turns whose askers wait in this process; bounded."""

    def __init__(self, deps: TurnDeps) -> None:
        self._deps = deps
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0

    def begin(self, ask: Ask) -> Turn:
        """Take a question in. Raises Overloaded when too many are in flight."""
        if self._in_flight >= self._deps.settings.max_turns:
            metrics.REFUSED.labels("busy").inc()
            raise Overloaded("too many questions in flight", retry_after_s=1.0)
        turn = Turn(ask.turn_id, asyncio.get_running_loop().create_future())
        room = self._deps.rooms.enter(ask.key)
        room.turns[turn.turn_id] = turn
        self._in_flight += 1
        self._spawn(self._run(ask, turn))
        return turn

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, ask: Ask, turn: Turn) -> None:
        started_ms = self._deps.clock.unix_ms()
        try:
            with self._deps.tracer.span(
                "gateway.turn",
                parent=turn_context(turn.turn_id),
                kind=SpanKind.SERVER,
                attributes={"turn_id": turn.turn_id, "tenant": ask.key[0]},
            ) as span:
                answer = await self._answer(ask, turn, started_ms)
                span.set_attribute("origin", answer.origin)
                span.set_attribute("mode", answer.mode)
        except Overloaded as error:
            turn.refuse(error)
        except Exception:
            log.exception("a turn failed at the door")
            await self._say(ask, turn, core.LATE_TEXT)
        finally:
            self._in_flight -= 1
            if room := self._deps.rooms.get(ask.key):
                room.turns.pop(turn.turn_id, None)
                self._deps.rooms.leave(room)

    async def _answer(self, ask: Ask, turn: Turn, started_ms: int) -> ChatAnswer:
        deadline_ms = started_ms + int(self._deps.settings.deadline_s * 1000)
        context = () if ask.begins else await self._deps.conversations.context(ask.key)
        received = self._received(ask, started_ms, deadline_ms, context)
        await asyncio.gather(
            self._acknowledge(ask, received),  # first in the room, so before any answer
            self._send(ask, turn, received),
            self._deps.conversations.begin_turn(
                ask.key, turn.turn_id, deadline_ms, begins=ask.begins
            ),
        )
        await self._by_deadline(ask, turn, deadline_ms)
        answer = turn.result.result()
        metrics.TURNS.labels(ask.key[0], answer.origin, answer.mode).inc()
        seconds = (self._deps.clock.unix_ms() - started_ms) / 1000
        metrics.TURN_SECONDS.labels(answer.origin).observe(seconds)
        return answer

    async def _acknowledge(self, ask: Ask, received: Received) -> None:
        ack = {"type": "ack", "id": f"{ask.turn_id}:ack", "turn_id": ask.turn_id}
        ack |= {"conversation_id": ask.key[1], "client_id": ask.client_id}
        await self._deps.delivery.send(ask.key, [ack])
        if received.owner == BOT:
            typing = {"type": "typing", "turn_id": ask.turn_id, "who": "bot"}
            self._deps.delivery.tell(ask.key, typing)

    async def _send(self, ask: Ask, turn: Turn, received: Received) -> None:
        try:
            await self._deps.broker.send(received)
        except Unavailable:
            await self._without_broker(ask, turn, received)
        if received.owner != BOT and not turn.result.done():
            await self._relayed(ask, turn)

    def _received(
        self, ask: Ask, started_ms: int, deadline_ms: int, context: tuple[Exchange, ...]
    ) -> Received:
        tenant_id, conversation_id = ask.key
        return Received(
            tenant_id=tenant_id,
            conversation_id=conversation_id,
            turn_id=ask.turn_id,
            locale=ask.locale,
            user_id=ask.user_id,
            accepted_unix_ms=started_ms,
            deadline_unix_ms=deadline_ms,
            reply_to=self._deps.instance,
            cache_control=_cache_control(ask.cache_control),
            knowledge_version=self._deps.catalogue.version(tenant_id),
            policy_version=self._deps.policy.current.answer_version,
            mode=self._deps.policy.current.mode,
            text=ask.text,
            context=context,
            owner=self._deps.owners.owner(tenant_id, conversation_id),
        )

    async def _by_deadline(self, ask: Ask, turn: Turn, deadline_ms: int) -> None:
        left_s = (deadline_ms - self._deps.clock.unix_ms()) / 1000
        done, _ = await asyncio.wait([turn.result], timeout=max(0.0, left_s))
        if not done:
            log.warning("no answer by the deadline: turn %s", turn.turn_id)
            await self._say(ask, turn, core.LATE_TEXT)

    async def _say(self, ask: Ask, turn: Turn, text: str, *, escalate: bool = False) -> None:
        mode = self._deps.policy.current.mode
        answer = core.degraded_answer(ask.key[1], turn.turn_id, text, mode, escalate=escalate)
        turn.finish(answer)
        await self._deps.delivery.send(ask.key, frames.answer_frames(answer, "deadline"))

    async def _relayed(self, ask: Ask, turn: Turn) -> None:
        record = self._deps.owners.agent(*ask.key)
        name = record.agent_name if record else ""
        mode = self._deps.policy.current.mode
        answer = core.relayed_answer(ask.key[1], turn.turn_id, name, mode)
        turn.finish(answer)
        await self._deps.delivery.send(ask.key, frames.answer_frames(answer))
        await self._deps.conversations.end_turn(ask.key, turn.turn_id)

    async def _without_broker(self, ask: Ask, turn: Turn, received: Received) -> None:
        """The broker is away: a stored answer, or keep the message and say so."""
        if received.owner == BOT:
            stored = await self._deps.stored.exact(ask.key[0], ask.locale, ask.text)
            if stored is not None:
                await self._tell(turn, received.then(Answered, **_own_fields(stored)))
                return
        await self._deps.broker.keep(received)
        text, for_person = core.kept_answer_text(ask.text)
        await self._say(ask, turn, text, escalate=for_person)

    async def _tell(self, turn: Turn, event: Answered) -> None:
        """Give a stored answer; those who keep records hear of it when the broker is back.

        Its question is the stored one, so it is screened although no screen has seen this turn.
        """
        key = (event.tenant_id, event.conversation_id)
        answer = core.answer_of(event, self._deps.clock.unix_ms())
        turn.finish(answer)
        await self._deps.delivery.send(key, frames.answer_frames(answer))
        try:
            await self._deps.broker.keep(event)
        except Overloaded:
            log.error("the outbox is full: turn %s will lack its transcript", turn.turn_id)
        await self._deps.conversations.remember_exchange(event)
        await self._deps.conversations.end_turn(key, turn.turn_id)

    async def stop(self, key: Key, turn_id: str) -> None:
        """End a turn with what was shown of it."""
        now_ms = self._deps.clock.unix_ms()
        event = TurnStopped(
            tenant_id=key[0], conversation_id=key[1], turn_id=turn_id, deadline_unix_ms=now_ms
        )
        try:
            await self._deps.broker.publish(event)
        except Unavailable:
            if turn := self._deps.rooms.turn(key, turn_id):
                answer = core.stopped_answer(event, turn.shown)
                turn.finish(answer)
                await self._deps.delivery.send(key, frames.answer_frames(answer, "stopped"))

    async def close(self) -> None:
        """Give up what is still waiting; its askers are gone by now."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _own_fields(event: object) -> dict[str, object]:
    names = ("text", "question", "route", "intent", "tier", "confidence", "citations", "similarity")
    return {name: getattr(event, name) for name in names} | {"origin": "cache", "told": True}


def _cache_control(value: str) -> str:
    wanted = {part.strip().lower() for part in value.split(",")}
    return "no-store" if "no-store" in wanted else "no-cache" if "no-cache" in wanted else ""
