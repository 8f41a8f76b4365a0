"""What every gateway process keeps in memory by reading topics from their beginning."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from services.gateway.schemas_documents import DocumentOut
from shared.events import BOT, DocumentSubmitted, KnowledgeChanged, OwnerChanged


class Owners:
    """Which conversations an agent has. Those of the bot are not kept: they are most."""

    def __init__(self) -> None:
        self._agents: dict[tuple[str, str], OwnerChanged] = {}

    def post(self, event: OwnerChanged) -> None:
        """Take over what the topic says last."""
        key = (event.tenant_id, event.conversation_id)
        if event.owner == BOT:
            self._agents.pop(key, None)
        else:
            self._agents[key] = event

    def agent(self, tenant_id: str, conversation_id: str) -> OwnerChanged | None:
        """The agent's record, or None when the bot may speak."""
        return self._agents.get((tenant_id, conversation_id))

    def owner(self, tenant_id: str, conversation_id: str) -> str:
        """The name on the record; `BOT` without one."""
        record = self.agent(tenant_id, conversation_id)
        return record.owner if record else BOT


@dataclass(frozen=True)
class OnItsWay:
    """A document that this process has sent, without its content."""

    event: DocumentSubmitted
    title: str
    size_bytes: int


class Catalogue:
    """Every tenant's documents and knowledge version; documents on their way are `pending`.

    What is on its way waits in Kafka and in the job queue, so it is bounded here, at the door.
    """

    MAX_PENDING = 1_000
    MAX_PENDING_BYTES = 64 * 1024 * 1024
    FORGET_AFTER_MS = 3_600_000  # a job that was lost must not keep the door closed for ever

    def __init__(self) -> None:
        self._changes: dict[str, dict[str, KnowledgeChanged]] = {}
        self._pending: dict[str, dict[str, OnItsWay]] = {}
        self._versions: dict[str, tuple[int, str]] = {}

    def post(self, event: KnowledgeChanged) -> None:
        """Take over what became of a document."""
        documents = self._changes.setdefault(event.tenant_id, {})
        if event.state == "removed":
            documents.pop(event.document_id, None)
        else:
            documents[event.document_id] = event
        newest_ms, _ = self._versions.get(event.tenant_id, (0, ""))
        if event.knowledge_version and event.changed_unix_ms >= newest_ms:
            self._versions[event.tenant_id] = (event.changed_unix_ms, event.knowledge_version)
        waiting = self._pending.get(event.tenant_id, {})
        sent = waiting.get(event.document_id)
        if sent and sent.event.submitted_unix_ms <= event.changed_unix_ms:
            del waiting[event.document_id]

    def submit(self, event: DocumentSubmitted, title: str, size_bytes: int) -> None:
        """Remember what this process has sent on its way."""
        bare = event.model_copy(update={"content": ""})
        sent = OnItsWay(bare, title, size_bytes)
        self._pending.setdefault(event.tenant_id, {})[event.document_id] = sent

    def has_room(self, now_ms: int) -> bool:
        """Whether one more document may be sent on its way."""
        since_ms = now_ms - self.FORGET_AFTER_MS
        waiting = [
            sent
            for documents in self._pending.values()
            for sent in documents.values()
            if sent.event.submitted_unix_ms > since_ms
        ]
        size_bytes = sum(sent.size_bytes for sent in waiting)
        return len(waiting) < self.MAX_PENDING and size_bytes < self.MAX_PENDING_BYTES

    def version(self, tenant_id: str) -> str:
        """Of the tenant's whole knowledge; empty before the first document."""
        return self._versions.get(tenant_id, (0, ""))[1]

    def change(self, tenant_id: str, document_id: str) -> KnowledgeChanged | None:
        """What became of one document."""
        return self._changes.get(tenant_id, {}).get(document_id)

    def knows(self, tenant_id: str, document_id: str) -> bool:
        """Whether there is such a document, or one on its way."""
        waiting = self._pending.get(tenant_id, {}).get(document_id)
        return self.change(tenant_id, document_id) is not None or (
            waiting is not None and not waiting.event.withdrawn
        )

    def documents(self, tenant_id: str) -> Sequence[DocumentOut]:
        """The catalogue, by id."""
        found = {name: _indexed(c) for name, c in self._changes.get(tenant_id, {}).items()}
        for name, sent in self._pending.get(tenant_id, {}).items():
            if not sent.event.withdrawn or name in found:
                found[name] = _pending(sent)
        return [found[name] for name in sorted(found)]


def _indexed(event: KnowledgeChanged) -> DocumentOut:
    return DocumentOut(
        id=event.document_id,
        title=event.title,
        version=event.version,
        state="rejected" if event.state == "rejected" else "indexed",
        reason=event.reason,
        chunks=event.chunks,
        source=event.source,
        locale=event.locale,
        product=event.product,
        visibility=event.visibility or "public",
        collection=event.collection,
        updated=_iso(event.changed_unix_ms),
    )


def _pending(sent: OnItsWay) -> DocumentOut:
    event = sent.event
    return DocumentOut(
        id=event.document_id,
        title=sent.title,
        version=event.version,
        state="pending",
        source=event.source,
        locale=event.locale,
        product=event.product,
        visibility=event.visibility,
        collection=event.collection,
        updated=_iso(event.submitted_unix_ms),
    )


def _iso(unix_ms: int) -> str:
    return datetime.fromtimestamp(unix_ms / 1000, UTC).isoformat(timespec="seconds")
