"""Search for a turn; take documents in."""

from dataclasses import dataclass
from typing import Protocol

from services.retrieval.settings import RetrievalSettings
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.events import (
    DocumentPrepared,
    DocumentSubmitted,
    Grounded,
    KnowledgeChanged,
    Passage,
    Routed,
)
from shared.vectors import Chunk


@dataclass(frozen=True)
class Found:
    """Passages, best first, and the calibrated probability in 0–1 that they answer."""

    passages: tuple[Passage, ...]
    answerable: float


class Search(Protocol):
    """Searches off the event loop. Raises Overloaded, Transient, Unavailable."""

    async def search(self, event: Routed, *, lexical_only: bool, rerank: bool) -> Found: ...


class Index(Protocol):
    """Writes documents off the event loop. Raises Transient, Unavailable."""

    async def replace(self, event: DocumentPrepared) -> None: ...

    async def remove(self, tenant_id: str, document_id: str) -> None: ...

    async def version(self, tenant_id: str, document_id: str) -> str:
        """The version that is searchable now; empty when there is none."""
        ...

    async def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        """What is searchable of a document now, in reading order."""
        ...

    @property
    def knowledge_version(self) -> str:
        """Changes when every stored vector or chunk would be made differently."""
        ...


class Jobs(Protocol):
    """Reads, cuts and embeds documents in the background; ends in a DocumentPrepared."""

    async def prepare(self, event: DocumentSubmitted) -> None: ...


class Submissions(Protocol):
    """Remembers the newest submission of each document, so that an older one cannot undo it."""

    async def note(self, tenant_id: str, document_id: str, submitted_unix_ms: int) -> None: ...

    async def newest(self, tenant_id: str, document_id: str) -> int: ...


@dataclass(frozen=True)
class Deps:
    """What retrieval needs."""

    settings: RetrievalSettings
    search: Search
    index: Index
    jobs: Jobs
    submissions: Submissions
    policy: PolicyBoard
    clock: Clock


async def ground(event: Routed, deps: Deps) -> Grounded:
    """Find the passages that may answer, as far as the policy allows."""
    policy = deps.policy.current
    if policy.retrieval == "off":
        return event.then(Grounded)
    lexical_only = policy.retrieval == "lexical"
    found = await deps.search.search(event, lexical_only=lexical_only, rerank=policy.rerank)
    return event.then(Grounded, passages=found.passages, answerable=found.answerable)


async def submit(event: DocumentSubmitted, deps: Deps) -> KnowledgeChanged | None:
    """Hand a new or changed document to the background job; take a withdrawn one out at once."""
    await deps.submissions.note(event.tenant_id, event.document_id, event.submitted_unix_ms)
    if not event.withdrawn:
        if event.version == await deps.index.version(event.tenant_id, event.document_id):
            return await _unchanged(event, deps)
        await deps.jobs.prepare(event)
        return None
    await deps.index.remove(event.tenant_id, event.document_id)
    return KnowledgeChanged(
        tenant_id=event.tenant_id,
        document_id=event.document_id,
        version="",
        title=event.title,
        state="removed",
        knowledge_version=deps.index.knowledge_version,
        changed_unix_ms=deps.clock.unix_ms(),
    )


async def _unchanged(event: DocumentSubmitted, deps: Deps) -> KnowledgeChanged:
    """Nothing to read, cut or embed; who waits for the document hears that it is there."""
    chunks = await deps.index.chunks_of(event.tenant_id, event.document_id)
    return KnowledgeChanged(
        tenant_id=event.tenant_id,
        document_id=event.document_id,
        version=event.version,
        title=chunks[0].title if chunks else event.title,
        source=chunks[0].source if chunks else event.source,
        locale=chunks[0].locale if chunks else event.locale,
        state="indexed",
        chunks=len(chunks),
        knowledge_version=deps.index.knowledge_version,
        changed_unix_ms=deps.clock.unix_ms(),
    )


async def index(event: DocumentPrepared, deps: Deps) -> KnowledgeChanged | None:
    """Make a prepared document searchable, all of it at once."""
    newest = await deps.submissions.newest(event.tenant_id, event.document_id)
    if event.submitted_unix_ms < newest:
        return None  # replaced or withdrawn while the job ran
    if not event.rejection:
        await deps.index.replace(event)
    return KnowledgeChanged(
        tenant_id=event.tenant_id,
        document_id=event.document_id,
        version=event.version,
        title=event.title,
        source=event.source,
        locale=event.locale,
        state="rejected" if event.rejection else "indexed",
        reason=event.rejection,
        chunks=len(event.chunks),
        knowledge_version=deps.index.knowledge_version,
        changed_unix_ms=deps.clock.unix_ms(),
    )


HANDLERS = (ground, submit, index)
BROADCAST = ()
REPLAYED = ()
