"""Keep documents in step with the source they came from: new, changed, gone.

Parts, so that a long source neither floods the queue nor keeps the worker from its documents.
"""

import base64
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.retrieval.ledger import Indexed
from services.retrieval.sources.port import Content, Entry, Refused, Source
from shared.clock import Clock
from shared.documents import TEXT_TYPES, version_of
from shared.events import DocumentSubmitted, Event
from shared.ingestions import Step

PART_ENTRIES = 500
PART_BYTES = 32 * 1024 * 1024
PART_S = 60.0


class Ledger(Protocol):
    """What is searchable of a collection."""

    async def collection(self, tenant_id: str, collection: str) -> Mapping[str, Indexed]: ...


class Progress(Protocol):
    """Hears how far each document is."""

    async def note(
        self, tenant_id: str, ingestion_id: str, document_id: str, step: Step
    ) -> None: ...


@dataclass(frozen=True)
class Deps:
    """What a sync needs."""

    tenant_id: str
    recipe: str
    max_removed: float
    publish: Callable[[Event], Awaitable[None]]
    ledger: Ledger
    progress: Progress
    clock: Clock


@dataclass
class Part:
    """What a part of a sync did."""

    submitted: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    removed: int = 0
    kept: str = ""  # why nothing was removed, if it should have been
    next_start: int | None = None


def vanished(
    have: Collection[str], listed: Collection[str], max_removed: float
) -> tuple[list[str], str]:
    """Which documents are gone from their source; or none, and why that is not believed."""
    gone = sorted(set(have) - set(listed))
    if gone and (not listed or len(gone) > max_removed * len(have)):
        return [], (
            f"{len(gone)} of {len(have)} documents are gone from the source; more than "
            f"{max_removed:.0%} looks like a mistake, so nothing was removed"
        )
    return gone, ""


async def sync_part(source: Source, start: int, deps: Deps) -> Part:
    """Submit what is new or changed from the entry numbered `start` on; at the end, remove."""
    part, listed, spent = Part(), [], 0
    have = await deps.ledger.collection(deps.tenant_id, source.collection)
    until_s = time.monotonic() + PART_S
    for number, entry in enumerate(source.entries()):
        if isinstance(entry, Refused):
            part.refused.append(entry)
            continue
        listed.append(entry.id)
        if number < start or part.next_start is not None:
            continue
        spent += await _bring(entry, source.collection, have.get(entry.id, Indexed()), part, deps)
        if spent > PART_BYTES or part.submitted >= PART_ENTRIES or time.monotonic() > until_s:
            part.next_start = number + 1
    if part.next_start is None:
        gone, part.kept = vanished(have, listed, deps.max_removed)
        for document_id in gone:
            await _withdraw(document_id, source.collection, deps)
        part.removed = len(gone)
    return part


async def _bring(entry: Entry, collection: str, known: Indexed, part: Part, deps: Deps) -> int:
    """Submit one document unless it is as it was; how many bytes were sent."""
    try:
        content = entry.read()
    except Refused as refused:
        part.refused.append(refused)
        return 0
    event = submission_of(entry, content, collection, deps)
    if (known.version, known.recipe) == (event.version, deps.recipe):
        part.unchanged += 1
        return 0
    step = Step("submitted", entry.name)
    await deps.progress.note(deps.tenant_id, event.ingestion_id, entry.id, step)
    await deps.publish(event)
    part.submitted += 1
    return len(content.data)


def submission_of(entry: Entry, content: Content, collection: str, deps: Deps) -> DocumentSubmitted:
    """A source's entry as a submission."""
    text = _text(content)
    return DocumentSubmitted(
        tenant_id=deps.tenant_id,
        document_id=entry.id,
        version=version_of(content.data, source=content.source),
        content=base64.b64encode(content.data).decode() if text is None else text,
        encoding="base64" if text is None else "",
        media_type=content.media_type,
        name=entry.name,
        source=content.source,
        updated_unix_ms=content.updated_unix_ms,
        collection=collection,
        ingestion_id=f"sync-{version_of(collection.encode())}",
        submitted_unix_ms=deps.clock.unix_ms(),
    )


def _text(content: Content) -> str | None:
    if content.media_type not in TEXT_TYPES:
        return None
    try:
        return content.data.decode()
    except UnicodeDecodeError:
        return None


async def _withdraw(document_id: str, collection: str, deps: Deps) -> None:
    await deps.publish(
        DocumentSubmitted(
            tenant_id=deps.tenant_id,
            document_id=document_id,
            version="",
            collection=collection,
            withdrawn=True,
            submitted_unix_ms=deps.clock.unix_ms(),
        )
    )
