"""Remembered answers by exact text: written by the cache, the gateway's last resort."""

from dataclasses import dataclass, replace
from typing import Protocol
from urllib.parse import quote, unquote

from pydantic import BaseModel, ConfigDict

from shared.errors import Unavailable
from shared.events import Answered, Citation, Route, Tier, TurnEvent
from shared.fingerprint import fingerprint
from shared.kv.port import KeyValue
from shared.policy import Policy


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
    cost_usd: float = 0.0  # of making it: what every hit saves
    made_ms: float = 0.0  # how long all steps took to make it
    # Learnt from "this cached answer was wrong": a question must be at least so close to this one.
    min_similarity: float = 0.0
    min_probability: float = 0.0
    fresh_until_unix_ms: int = 0

    @classmethod
    def of(cls, event: Answered) -> "Remembered":
        """What is worth keeping of an answer; the store sets its freshness."""
        carried = {name: getattr(event, name) for name in cls.model_fields if name in _CARRIED}
        return cls(**carried, made_ms=round(sum(event.timings_ms.values()), 1))

    def cites_other_version(self, document_id: str, version: str) -> bool:
        """Whether it leans on a document as it was before."""
        return any(
            citation.document_id == document_id and citation.document_version != version
            for citation in self.citations
        )

    def is_fresh(self, now_unix_ms: int) -> bool:
        return now_unix_ms < self.fresh_until_unix_ms


_CARRIED = frozenset(Answered.model_fields)


@dataclass(frozen=True)
class Scope:
    """Whose answers: nothing is ever shared across these."""

    tenant_id: str
    locale: str
    knowledge_version: str
    policy_version: str = ""

    @classmethod
    def of(cls, event: TurnEvent) -> "Scope":
        """Where an answer made in this turn belongs."""
        return cls(event.tenant_id, event.locale, event.knowledge_version, event.policy_version)

    def readable(self, policy: Policy) -> tuple["Scope", ...]:
        """Where to look: what a healthy system answered first, then what was answered like now."""
        versions = dict.fromkeys((policy.best_answer_version, policy.answer_version))
        return tuple(replace(self, policy_version=version) for version in versions)

    @property
    def prefix(self) -> str:
        """Start of every key of this scope; what a caller may choose cannot reach out of it."""
        parts = (self.tenant_id, self.locale, self.knowledge_version, self.policy_version)
        return ":".join(("cache", *(quote(part, safe="") or "-" for part in parts)))

    @classmethod
    def of_prefix(cls, prefix: str) -> "Scope":
        """The scope whose `prefix` that is."""
        return cls(*("" if part == "-" else unquote(part) for part in prefix.split(":")[1:]))

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
