"""Search for a turn; take documents in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.retrieval.documents import KnownVectors
from services.retrieval.ledger import Indexed
from services.retrieval.settings import RetrievalSettings
from shared import metrics
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.events import (
    RELEVANT,
    DocumentPrepared,
    DocumentSubmitted,
    Grounded,
    KnowledgeChanged,
    Passage,
    Routed,
)
from shared.ingestions import Step
from shared.vectors import Chunk


@dataclass(frozen=True)
class Found:
    """Passages, best first, and the calibrated probability in 0–1 that they answer."""

    passages: tuple[Passage, ...]
    answerable: float
    resolved: str = ""  # a follow-up with the words it leans on; empty for other questions


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

    async def known_vectors(self, tenant_id: str, document_id: str) -> KnownVectors:
        """Vectors of what is searchable of a document now, by the hash of the embedded text."""
        ...

    @property
    def knowledge_version(self) -> str:
        """Changes when every stored vector or chunk would be made differently."""
        ...


class Jobs(Protocol):
    """Reads, cuts and embeds documents in the background; ends in a DocumentPrepared."""

    async def prepare(self, event: DocumentSubmitted, known: KnownVectors) -> None: ...


class Ledger(Protocol):
    """Remembers submissions, and how what is searchable was made."""

    async def note(self, tenant_id: str, document_id: str, submitted_unix_ms: int) -> None: ...

    async def newest(self, tenant_id: str, document_id: str) -> int: ...

    async def indexed(self, tenant_id: str, document_id: str) -> Indexed: ...

    async def record(self, tenant_id: str, document_id: str, now: Indexed) -> None: ...

    async def forget(self, tenant_id: str, document_id: str) -> None: ...


class Progress(Protocol):
    """Hears how far each document of an import is."""

    async def note(
        self, tenant_id: str, ingestion_id: str, document_id: str, step: Step
    ) -> None: ...


@dataclass(frozen=True)
class Deps:
    """What retrieval needs."""

    settings: RetrievalSettings
    search: Search
    index: Index
    jobs: Jobs
    ledger: Ledger
    progress: Progress
    policy: PolicyBoard
    clock: Clock


async def ground(event: Routed, deps: Deps) -> Grounded:
    """Find the passages that may answer, as far as the policy allows."""
    policy = deps.policy.current
    if policy.retrieval == "off":
        return event.then(Grounded)
    lexical_only = policy.retrieval == "lexical"
    found = await deps.search.search(event, lexical_only=lexical_only, rerank=policy.rerank)
    if not event.shadow_of:
        result = "relevant" if found.answerable >= RELEVANT else "doubtful"
        metrics.SEARCHES.labels(event.tenant_id, result).inc()
    return event.then(
        Grounded,
        passages=found.passages,
        answerable=found.answerable,
        resolved=found.resolved,
    )


async def submit(event: DocumentSubmitted, deps: Deps) -> KnowledgeChanged | None:
    """Hand a new or changed document to the background job; take a withdrawn one out at once."""
    where = (event.tenant_id, event.document_id)
    await deps.ledger.note(*where, event.submitted_unix_ms)
    if event.withdrawn:
        return await _withdraw(event, deps)
    known = await deps.ledger.indexed(*where)
    same_recipe = known.recipe == deps.index.knowledge_version and not event.again
    if same_recipe and known.version == event.version:
        chunks = await deps.index.chunks_of(*where)
        if chunks and chunks[0].document_version == event.version:
            return await _unchanged(event, chunks, deps)
    vectors = await deps.index.known_vectors(*where) if same_recipe else {}
    await deps.jobs.prepare(event, vectors)
    return None


async def _withdraw(event: DocumentSubmitted, deps: Deps) -> KnowledgeChanged:
    where = (event.tenant_id, event.document_id)
    await deps.index.remove(*where)
    await deps.ledger.forget(*where)
    await _progress(event, Step("removed", event.name), deps)
    return _changed(event, deps, version="", title=event.title, state="removed")


async def _unchanged(
    event: DocumentSubmitted, chunks: Sequence[Chunk], deps: Deps
) -> KnowledgeChanged:
    """Nothing to read, cut or embed; who waits for the document hears that it is there."""
    await _record(event, deps)
    await _progress(event, Step("unchanged", event.name), deps)
    first = chunks[0]
    return _changed(
        event,
        deps,
        title=first.title,
        source=first.source,
        locale=first.locale,
        product=first.product,
        visibility=first.visibility,
        updated_unix_ms=first.updated_unix_ms,
        state="indexed",
        chunks=len(chunks),
    )


async def index(event: DocumentPrepared, deps: Deps) -> KnowledgeChanged | None:
    """Make a prepared document searchable, all of it at once."""
    newest = await deps.ledger.newest(event.tenant_id, event.document_id)
    if event.submitted_unix_ms < newest:
        return None  # replaced or withdrawn while the job ran
    if event.rejection:
        await _progress(event, Step("rejected", event.name, event.rejection), deps)
        return _changed(event, deps, state="rejected", reason=event.rejection)
    await _progress(event, Step("prepared", event.name), deps)
    await deps.index.replace(event)
    await _record(event, deps)
    await _progress(event, Step("indexed", event.name), deps)
    return _changed(event, deps, state="indexed", chunks=len(event.chunks))


async def _record(event: DocumentSubmitted | DocumentPrepared, deps: Deps) -> None:
    now = Indexed(event.version, deps.index.knowledge_version, event.collection)
    await deps.ledger.record(event.tenant_id, event.document_id, now)


async def _progress(event: DocumentSubmitted | DocumentPrepared, step: Step, deps: Deps) -> None:
    await deps.progress.note(event.tenant_id, event.ingestion_id, event.document_id, step)


def _changed(
    event: DocumentSubmitted | DocumentPrepared, deps: Deps, **more: Any
) -> KnowledgeChanged:
    shared = type(event).model_fields.keys() & KnowledgeChanged.model_fields.keys() - {"chunks"}
    carried = {name: getattr(event, name) for name in shared}
    made = {
        "knowledge_version": deps.index.knowledge_version,
        "changed_unix_ms": deps.clock.unix_ms(),
    }
    return KnowledgeChanged(**{**carried, **made, **more})


HANDLERS = (ground, submit, index)
BROADCAST = ()
REPLAYED = ()
