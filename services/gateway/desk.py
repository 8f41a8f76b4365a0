"""What the HTTP operations share: checks at the door, and everything behind it."""

import uuid
from contextlib import suppress
from dataclasses import dataclass

from services.gateway.adapters import Conversations
from services.gateway.boards import Catalogue
from services.gateway.broker import Broker
from services.gateway.clients import HistoryClient, LibraryClient
from services.gateway.delivery import Delivery
from services.gateway.door import Door
from services.gateway.limiter import Allowance, Limiter
from services.gateway.presence import Presence
from services.gateway.rooms import Key, Listener, Rooms
from services.gateway.settings import GatewaySettings
from services.gateway.turns import Turns
from shared import metrics
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.errors import Overloaded, Unavailable
from shared.events import Event
from shared.ingestions import Ingestions
from shared.web import Problem


@dataclass(frozen=True)
class Desk:
    """Built once in `app.py`."""

    settings: GatewaySettings
    door: Door
    limiter: Limiter
    conversations: Conversations
    rooms: Rooms
    delivery: Delivery
    turns: Turns
    broker: Broker
    presence: Presence
    catalogue: Catalogue
    ingestions: Ingestions
    history: HistoryClient
    library: LibraryClient
    policy: PolicyBoard
    clock: Clock

    def checked_text(self, message: str) -> str:
        """A message of a sensible length. Raises Problem 422."""
        limit = self.settings.max_message_chars
        if not message.strip():
            raise Problem(422, "The request is not valid", "message: must not be blank")
        if len(message) > limit:
            raise Problem(422, "The request is not valid", f"message: at most {limit} characters")
        return message

    async def allow(self, tenant_id: str, who: str) -> Allowance:
        """Count one message. Raises Problem 429."""
        allowance = await self.limiter.hit(tenant_id, who)
        if not allowance.allowed:
            metrics.REFUSED.labels("rate").inc()
            raise Problem(
                429,
                "Too many messages",
                f"At most {allowance.limit} a minute.",
                headers=allowance.headers,
            )
        return allowance

    async def conversation(self, tenant_id: str, wanted: str | None) -> tuple[Key, str | None]:
        """The conversation, and its token if it begins here."""
        if wanted is None:  # of our own making, so new; its first turn claims it
            key = (tenant_id, str(uuid.uuid4()))
            return key, self.door.token(key)
        key = (tenant_id, wanted)
        return key, self.door.token(key) if await self.conversations.claim(key) else None

    def listener(self, token: str | None, after: int | None = None) -> Listener:
        """A queue for one client."""
        limit = self.settings.send_queue_frames
        return Listener(token=token, after=after, limit=limit, mode="full")

    async def publish(self, event: Event) -> None:
        """Send an event that must arrive. Raises Problem 503."""
        try:
            await self.broker.publish(event)
        except (Unavailable, Overloaded):
            raise Problem(
                503, "Cut off for a moment", "Please try again.", headers={"Retry-After": "5"}
            ) from None

    async def forget(self, key: Key) -> None:
        """Drop what the gateway keeps of a conversation."""
        with suppress(Unavailable):  # it expires by itself then
            await self.delivery.forget(key)
        await self.conversations.forget(key)
