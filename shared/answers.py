"""Remembered answers by exact text: written by the cache, the gateway's last resort."""

from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from shared.errors import Unavailable
from shared.events import Answered, Citation, Route, Tier, TurnEvent
from shared.fingerprint import fingerprint
from shared.kv.port import KeyValue


class Remembered(BaseModel):
    """An answer that passed the output check, and the question it answered."""

    model_config = ConfigDict(frozen=True)
    question: str
    fingerprint: str
    text: str
    route: Route
    intent: str
    tier: Tier
    confidence: float
    citations: tuple[Citation, ...] = ()
    fresh_until_unix_ms: int = 0

    @classmethod
    def of(cls, event: Answered) -> "Remembered":
        """What is worth keeping of an answer; the store sets its freshness."""
        return cls(**{name: getattr(event, name) for name in cls.model_fields if name in _CARRIED})

    def is_fresh(self, now_unix_ms: int) -> bool:
        return now_unix_ms < self.fresh_until_unix_ms


_CARRIED = frozenset(Answered.model_fields)


@dataclass(frozen=True)
class Scope:
    """Whose answers: nothing is ever shared across these."""

    tenant_id: str
    locale: str
    knowledge_version: str

    @classmethod
    def of(cls, event: TurnEvent) -> "Scope":
        return cls(event.tenant_id, event.locale, event.knowledge_version)

    @property
    def prefix(self) -> str:
        """Start of every key of this scope."""
        return f"cache:{self.tenant_id}:{self.locale}:{self.knowledge_version or '-'}"

    def answer_key(self, fingerprint_: str) -> str:
        """Where one answer lies."""
        return f"{self.prefix}:a:{fingerprint_}"


class ExactAnswers(Protocol):
    """Look-up by text, for the gateway's last resort."""

    async def exact(self, scope: Scope, text: str) -> Remembered | None: ...


class KeyValueExactAnswers:
    """Exact answers straight from the key-value store; None as well when that is away."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def exact(self, scope: Scope, text: str) -> Remembered | None:
        try:
            found = await self._kv.get(scope.answer_key(fingerprint(text)))
        except Unavailable:
            return None
        return None if found is None else Remembered.model_validate_json(found)
