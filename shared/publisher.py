"""The one way events leave a process: encoded, traced, and stepped past services that are down.

A turn that no customer waits for (`shadow_of`) leaves the path here: what would be shown, kept or
given to a person becomes a `Shadowed`, so that no reader of those topics ever has to tell.
"""

from collections.abc import Iterator, Sequence

from shared.boards import PolicyBoard
from shared.bus.port import Bus
from shared.codec import encode
from shared.events import TURN_PATH, Answered, Event, Shadowed, TurnEvent
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
        sent = [aside for event in events for aside in set_aside(step_past(event, bypassed))]
        if not sent:
            return sent
        headers = inject_context()
        messages = [encode(event, source=self._source, headers=headers) for event in sent]
        await self._bus.publish(messages, timeout_s)
        return sent


def set_aside(event: Event) -> Iterator[Event]:
    """`event`, or what stands for it when it ends a shadow turn; nothing for an unfinished part."""
    aside = isinstance(event, TurnEvent) and bool(event.shadow_of)
    if not aside or isinstance(event, (*TURN_PATH, Shadowed)):
        yield event
    elif isinstance(event, Answered):
        if event.last:
            yield event.then(Shadowed, answer=event)
    elif isinstance(event, TurnEvent):
        yield event.then(Shadowed)
