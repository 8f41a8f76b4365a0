"""The way to the broker, with a breaker and an outbox behind it."""

import asyncio
import logging

from services.gateway.outbox import Kept, Outbox
from services.gateway.rooms import Key
from shared.bus.port import Bus
from shared.clock import Clock
from shared.errors import Overloaded, Unavailable
from shared.events import Event, Received
from shared.publisher import Publisher
from shared.telemetry import Tracer, turn_context

log = logging.getLogger(__name__)


class Broker:
    """Publishes; once the broker is away it fails at once and looks for it in the background."""

    def __init__(
        self,
        bus: Bus,
        publisher: Publisher,
        outbox: Outbox,
        clock: Clock,
        tracer: Tracer,
        *,
        publish_timeout_s: float,
        probe_every_s: float,
        deadline_s: float,
    ) -> None:
        self._bus = bus
        self._publisher = publisher
        self._outbox = outbox
        self._clock = clock
        self._tracer = tracer
        self._publish_timeout_s = publish_timeout_s
        self._probe_every_s = probe_every_s
        self._deadline_s = deadline_s
        self._away = False
        self._looking: asyncio.Task[None] | None = None

    async def publish(self, event: Event) -> None:
        """Send an event. Raises Unavailable, at once while the broker is known to be away."""
        if self._away:
            raise Unavailable("the broker was away a moment ago")
        try:
            await self._publisher.publish(event, timeout_s=self._publish_timeout_s)
        except Unavailable:
            self._away = True
            raise

    async def send(self, event: Received) -> None:
        """Send a question, unless earlier ones of its conversation still wait. Like `publish`."""
        if self._outbox.holds((event.tenant_id, event.conversation_id)):
            raise Unavailable("earlier messages of this conversation go first")
        await self.publish(event)

    async def keep(self, event: Kept) -> None:
        """Put a question, or an answer already given, into the outbox. Overloaded when full."""
        await self._outbox.put(event)

    def waits(self, key: Key) -> bool:
        """Whether messages of a conversation wait in the outbox."""
        return self._outbox.holds(key)

    def start(self) -> None:
        """Begin to look after the outbox."""
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            if self._away and await self._answers():
                log.info("the broker is back")
                self._away = False
            if not self._away and len(self._outbox):
                await self._replay()
            await asyncio.sleep(self._probe_every_s)

    async def _answers(self) -> bool:
        try:
            return await self._bus.ping(self._publish_timeout_s)
        except Unavailable:
            return False

    async def _replay(self) -> None:
        while (row := await self._outbox.oldest()) is not None:
            number, event = row
            deadline_ms = self._clock.unix_ms() + int(self._deadline_s * 1000)
            renewed = event.model_copy(update={"deadline_unix_ms": deadline_ms})
            try:
                with self._tracer.span("gateway.replay", parent=turn_context(event.turn_id)):
                    await self.publish(renewed)
            except (Unavailable, Overloaded):
                return
            await self._outbox.drop(number, event)

    async def close(self) -> None:
        """Stop looking; what waits stays on disk."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._outbox.close()
