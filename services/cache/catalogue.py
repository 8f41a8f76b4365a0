"""Which version of each document is in force, read from the compacted topic by every process."""

from shared.answers import Remembered
from shared.events import KnowledgeChanged


class Catalogue:
    """Documents of all tenants. One it never heard of is taken to be as cited."""

    def __init__(self) -> None:
        self._versions: dict[tuple[str, str], tuple[int, str]] = {}
        self._knowledge: dict[str, tuple[int, str]] = {}

    def post(self, event: KnowledgeChanged) -> None:
        """Take over what became of a document; a rejected text leaves the old one in force."""
        now_ms = event.changed_unix_ms
        if event.knowledge_version and now_ms >= self._knowledge.get(event.tenant_id, (0, ""))[0]:
            self._knowledge[event.tenant_id] = (now_ms, event.knowledge_version)
        key = (event.tenant_id, event.document_id)
        if event.state != "rejected" and now_ms >= self._versions.get(key, (0, ""))[0]:
            self._versions[key] = (now_ms, "" if event.state == "removed" else event.version)

    def knowledge_version(self, tenant_id: str) -> str:
        """Of the tenant's whole knowledge; empty before the first document."""
        return self._knowledge.get(tenant_id, (0, ""))[1]

    def vouches_for(self, tenant_id: str, entry: Remembered) -> bool:
        """Whether every document that an answer cites still says what it said then."""
        return all(
            self._versions.get((tenant_id, c.document_id), (0, c.document_version))[1]
            == c.document_version
            for c in entry.citations
        )
