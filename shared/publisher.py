"""The one way events leave a process: encoded, traced, and stepped past services that are down."""

from collections.abc import Sequence

from shared.boards import PolicyBoard
from shared.bus.port import Bus
from shared.codec import encode
from shared.events import Event
from shared.telemetry import inject_context
from shared.understudies import step_past


class Publisher:
    """Publishes events for one service; returns when the broker has them."""

    def __init__(self, bus: Bus, policy: PolicyBoard, source: str) -> None:
        self._bus = bus
        self._policy = policy
        self._source = source

    async def publish(self, *events: Event, timeout_s: float = 5.0) -> Sequence[Event]:
        """Send; what was sent after stepping past bypassed services.

        Raises:
            Unavailable: the broker did not acknowledge in time.
            Overloaded: too much is waiting to be sent.
        """
        bypassed = self._policy.current.bypassed
        sent = [step_past(event, bypassed) for event in events]
        headers = inject_context()
        messages = [encode(event, source=self._source, headers=headers) for event in sent]
        await self._bus.publish(messages, timeout_s)
        return sent
