"""Which entry a turn was answered from or has made: so that a thumb or an agent's word finds it."""

from pydantic import BaseModel, ConfigDict

from shared.answers import Scope
from shared.events import Conversational
from shared.kv.port import KeyValue

KEEP_S = 86_400.0  # as long as the gateway lets a turn be rated


class Trace(BaseModel):
    """What became of one turn in the cache."""

    model_config = ConfigDict(frozen=True)
    locale: str
    knowledge_version: str
    policy_version: str
    asked: str  # fingerprint of the question as this turn put it
    fingerprint: str  # of the entry
    question: str  # that the entry was made for
    similarity: float  # of the two questions; 1: the same words
    probability: float  # that the entry answers this question, as the verifier saw it

    def scope(self, tenant_id: str) -> Scope:
        """Where the entry lies."""
        return Scope(tenant_id, self.locale, self.knowledge_version, self.policy_version)


class Traces:
    """Traces of conversations, for a day. Calls raise Unavailable."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def keep(self, event: Conversational, turn_id: str, trace: Trace) -> None:
        value = trace.model_dump_json().encode()
        await self._kv.put_field(_key(event), turn_id, value, ttl_s=KEEP_S)

    async def of(self, event: Conversational, turn_id: str) -> Trace | None:
        """The trace of one turn of the event's conversation."""
        found = (await self._kv.fields(_key(event))).get(turn_id)
        return None if found is None else Trace.model_validate_json(found)

    async def of_question(self, event: Conversational, asked: str) -> Trace | None:
        """The trace of a turn of the event's conversation by its question's fingerprint."""
        rows = (await self._kv.fields(_key(event))).values()
        traces = map(Trace.model_validate_json, rows)
        return next((trace for trace in traces if trace.asked == asked), None)

    async def erase(self, event: Conversational) -> None:
        await self._kv.delete(_key(event))


def _key(event: Conversational) -> str:
    return f"cachetrace:{event.tenant_id}:{event.conversation_id}"
