"""The classifier off the event loop; what a conversation was offered; what is worth a label."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

from services.intent.classifier import OnnxClassifier, Scores
from shared.errors import Unavailable
from shared.events import ConversationErased, Missed
from shared.executor import BoundedExecutor
from shared.kv.port import KeyValue


class BoundedClassifier:
    """Classifies single messages in one bounded thread."""

    def __init__(self, classifier: OnnxClassifier, *, timeout_s: float, queue: int) -> None:
        self._classifier = classifier
        self._executor = BoundedExecutor("classifier", queue=queue, timeout_s=timeout_s)

    async def classify(self, text: str) -> Scores:
        """Raises Overloaded (queue full), Transient (too slow)."""
        return await self._executor.run(self._classify_now, text)

    def _classify_now(self, text: str) -> Scores:
        return self._classifier.classify([text])[0]

    def close(self) -> None:
        self._executor.close()


class OfferBook:
    """Which conversations were offered a person; nobody is asked twice."""

    def __init__(self, kv: KeyValue, ttl_s: float) -> None:
        self._kv = kv
        self._ttl_s = ttl_s

    async def claim(self, event: Missed) -> bool:
        """Whether this turn may offer; again true for the same turn. Without a store: no."""
        key = f"offered:{event.tenant_id}:{event.conversation_id}"
        mine = event.turn_id.encode()
        try:
            if await self._kv.set(key, mine, ttl_s=self._ttl_s, if_absent=True):
                return True
            return await self._kv.get(key) == mine
        except Unavailable:
            return False


@dataclass(frozen=True)
class Unsure:
    """A screened message that the model was not sure of, and what it guessed."""

    turn_id: str
    text: str
    guessed_intent: str
    guessed_route: str
    confidence: float  # of the route
    conversation_id: str = ""  # erased with it


class UnsureLog:
    """Messages that wait for a label: the latest ones of each tenant, screened, for a time."""

    def __init__(self, kv: KeyValue, *, ttl_s: float, most: int) -> None:
        self._kv = kv
        self._ttl_s = ttl_s
        self._most = most

    async def note(self, tenant_id: str, message: Unsure) -> None:
        """Keep one; losing it harms nobody."""
        with suppress(Unavailable):
            await self._append(tenant_id, [message])

    async def _append(self, tenant_id: str, messages: Sequence[Unsure]) -> None:
        items = {each.turn_id: json.dumps(asdict(each)).encode() for each in messages}
        await self._kv.append_once(
            _unsure(tenant_id), items, ttl_s=self._ttl_s, max_items=self._most
        )

    async def read(self, tenant_id: str) -> Sequence[Unsure]:
        """All that are kept, oldest first. Raises Unavailable."""
        rows = await self._kv.read_after(_unsure(tenant_id), 0)
        return [_parsed(json.loads(value)) for _, value in rows]

    async def forget(self, event: ConversationErased) -> None:
        """Drop what was said in an erased conversation. Raises Unavailable.

        A message noted between reading and writing is lost: it would only have been a label.
        """
        kept = await self.read(event.tenant_id)
        rest = [each for each in kept if each.conversation_id != event.conversation_id]
        if len(rest) < len(kept):
            await self.clear(event.tenant_id)
            if rest:
                await self._append(event.tenant_id, rest)

    async def clear(self, tenant_id: str) -> None:
        """They have been labelled. Raises Unavailable."""
        await self._kv.delete(_unsure(tenant_id))


def _unsure(tenant_id: str) -> str:
    return f"unsure:{tenant_id}"


def _parsed(row: Mapping[str, str | float]) -> Unsure:
    return Unsure(**row)  # type: ignore[arg-type]  # written by `note`
