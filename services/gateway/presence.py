"""What a customer does between messages, for the agent who has the conversation."""

from collections import OrderedDict
from contextlib import suppress
from typing import Literal

from services.gateway.boards import Owners
from services.gateway.broker import Broker
from services.gateway.rooms import Key
from shared.clock import Clock
from shared.errors import Overloaded, Unavailable
from shared.events import PresenceNoticed

State = Literal["typing", "read"]

PAUSE_S = {"typing": 2.0, "read": 0.2}  # between two notices: a frame costs a client nothing
REMEMBERED = 10_000


class Presence:
    """Passes on that a customer types or has read; nobody hears of it while the bot answers.

    Best effort: while the broker is away nothing is sent, and nothing is kept.
    """

    def __init__(self, broker: Broker, owners: Owners, clock: Clock) -> None:
        self._broker = broker
        self._owners = owners
        self._clock = clock
        self._told_s: OrderedDict[tuple[Key, State], float] = OrderedDict()

    async def notice(self, key: Key, state: State) -> None:
        """Tell the agent, unless they were told a moment ago."""
        if self._owners.agent(*key) is None or not self._due(key, state):
            return
        event = PresenceNoticed(
            tenant_id=key[0],
            conversation_id=key[1],
            side="customer",
            state=state,
            at_unix_ms=self._clock.unix_ms(),
        )
        with suppress(Unavailable, Overloaded):
            await self._broker.publish(event)

    def _due(self, key: Key, state: State) -> bool:
        now_s = self._clock.monotonic_s()
        told_s = self._told_s.get((key, state))
        if told_s is not None and now_s - told_s < PAUSE_S[state]:
            return False
        self._told_s[(key, state)] = now_s
        self._told_s.move_to_end((key, state))
        if len(self._told_s) > REMEMBERED:
            self._told_s.popitem(last=False)
        return True
