"""The outside world of the gateway: its part of the key-value store, stored answers."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol, TypeVar

from services.gateway.boards import Catalogue
from services.gateway.rooms import Key
from shared.answers import ExactAnswers, Remembered, Scope
from shared.boards import PolicyBoard
from shared.errors import Unavailable
from shared.events import BOT, Answered, Exchange, OwnerChanged
from shared.kv.memory import MemoryKeyValue
from shared.kv.port import KeyValue

log = logging.getLogger(__name__)

T = TypeVar("T")

TURN_TTL_S = 86_400.0  # how long a turn can be stopped, rated, or found unfinished


class Conversations:
    """What the gateway keeps of conversations; in this process alone while the store is away."""

    def __init__(
        self,
        kv: KeyValue,
        *,
        conversation_ttl_s: float,
        context_ttl_s: float,
        context_exchanges: int,
    ) -> None:
        self._kv = kv
        self._local = MemoryKeyValue()
        self._conversation_ttl_s = conversation_ttl_s
        self._context_ttl_s = context_ttl_s
        self._context_exchanges = context_exchanges

    async def _either(self, call: Callable[[KeyValue], Awaitable[T]]) -> T:
        try:
            return await call(self._kv)
        except Unavailable:
            return await call(self._local)

    async def claim(self, key: Key) -> bool:
        """Whether this id is new; from now on it is not. False when nobody can tell."""
        name = "conversation:{}:{}".format(*key)
        try:
            return await self._kv.set(name, b"1", ttl_s=self._conversation_ttl_s, if_absent=True)
        except Unavailable:
            return False

    async def exists(self, key: Key) -> bool:
        """Whether this id was ever used, as far as is known."""
        try:
            return await self._kv.get("conversation:{}:{}".format(*key)) is not None
        except Unavailable:
            return True

    async def claim_message(self, key: Key, client_id: str, turn_id: str) -> str:
        """The turn that this message of the client began: `turn_id` unless it was sent before."""
        name = "client:{}:{}:{}".format(*key, client_id)

        async def claim(kv: KeyValue) -> str:
            if await kv.set(name, turn_id.encode(), ttl_s=TURN_TTL_S, if_absent=True):
                return turn_id
            return (await kv.get(name) or turn_id.encode()).decode()

        return await self._either(claim)

    async def release_message(self, key: Key, client_id: str) -> None:
        """The message was refused: the client may send it again."""
        await self._either(lambda kv: kv.delete("client:{}:{}:{}".format(*key, client_id)))

    async def begin_turn(
        self, key: Key, turn_id: str, deadline_ms: int, *, begins: bool = False
    ) -> None:
        """Remember whose turn this is, and that it has no answer yet."""
        name, field = f"turn:{key[0]}:{turn_id}", "pending:{}:{}".format(*key)

        async def begin(kv: KeyValue) -> None:
            await asyncio.gather(
                kv.set(name, key[1].encode(), ttl_s=TURN_TTL_S),
                kv.put_field(field, turn_id, str(deadline_ms).encode(), ttl_s=TURN_TTL_S),
            )

        await asyncio.gather(self._either(begin), *([self.claim(key)] if begins else []))

    async def end_turn(self, key: Key, turn_id: str) -> None:
        """The turn has its answer."""
        await self._either(lambda kv: kv.remove_field("pending:{}:{}".format(*key), turn_id))

    async def pending_turns(self, key: Key) -> Mapping[str, int]:
        """Turns without an answer, and when they should have had one."""
        found = await self._either(lambda kv: kv.fields("pending:{}:{}".format(*key)))
        return {turn_id: int(deadline_ms) for turn_id, deadline_ms in found.items()}

    async def conversation_of(self, tenant_id: str, turn_id: str) -> str | None:
        """The conversation of a turn, while it is remembered."""
        found = await self._either(lambda kv: kv.get(f"turn:{tenant_id}:{turn_id}"))
        return found.decode() if found else None

    async def context(self, key: Key) -> tuple[Exchange, ...]:
        """The last screened exchanges, oldest first."""
        rows = await self._either(lambda kv: kv.read_after("context:{}:{}".format(*key), 0))
        return tuple(Exchange.model_validate_json(value) for _, value in rows)

    async def remember_exchange(self, event: Answered) -> None:
        """Keep a screened question and its answer for follow-up questions; once per turn."""
        if not (event.question and self._context_exchanges):
            return
        name = f"context:{event.tenant_id}:{event.conversation_id}"
        exchange = Exchange(
            question=event.question, answer=event.text, offer=event.offer, options=event.options
        )
        value = exchange.model_dump_json(exclude_defaults=True).encode()
        await self._either(
            lambda kv: kv.append_once(
                name,
                {event.turn_id: value},
                ttl_s=self._context_ttl_s,
                max_items=self._context_exchanges,
            )
        )

    async def record_owner(self, event: OwnerChanged) -> None:
        """Write the owner record. A hand-back ends what the bot remembers of before."""
        key = (event.tenant_id, event.conversation_id)
        name = "owner:{}:{}".format(*key)

        async def record(kv: KeyValue) -> None:
            if event.owner == BOT:
                await kv.delete(name, "context:{}:{}".format(*key))
            else:
                value = {"owner": event.owner, "agent_name": event.agent_name}
                await kv.set(name, json.dumps(value).encode(), ttl_s=self._conversation_ttl_s)

        await self._either(record)

    async def forget(self, key: Key) -> None:
        """Drop everything of an erased conversation but that its id was used."""
        names = [f"{kind}:{key[0]}:{key[1]}" for kind in ("context", "owner", "pending")]
        await self._either(lambda kv: kv.delete(*names))


class StoredAnswers(Protocol):
    """Answers that were given before, for when nobody can make a new one."""

    async def exact(self, tenant_id: str, locale: str, text: str) -> Answered | None:
        """The answer to exactly this question, if one is kept."""
        ...


class KeptAnswers:
    """Answers that the cache remembered, by exact text; nothing when the store is away, too."""

    def __init__(self, answers: ExactAnswers, catalogue: Catalogue, policy: PolicyBoard) -> None:
        self._answers = answers
        self._catalogue = catalogue
        self._policy = policy

    async def exact(self, tenant_id: str, locale: str, text: str) -> Answered | None:
        scope = Scope(tenant_id, locale, self._catalogue.version(tenant_id))
        for readable in scope.readable(self._policy.current):
            if (found := await self._answers.exact(readable, text)) is not None:
                break
        else:
            return None
        carried = {name: getattr(found, name) for name in Answered.model_fields.keys() & _KEPT}
        return Answered(
            tenant_id=tenant_id,
            conversation_id="",
            turn_id="",
            deadline_unix_ms=0,
            origin="cache",
            similarity=1.0,
            **carried,
        )


_KEPT = Remembered.model_fields.keys() - {"cost_usd"}  # given again, it costs nothing
