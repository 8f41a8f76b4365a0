"""What retrieval remembers of documents beside the index, in the key-value store.

If it is lost, documents are read and embedded once more, and a sync no longer knows which of its
documents are gone from the source: nothing that is searchable changes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.kv.port import KeyValue


@dataclass(frozen=True)
class Indexed:
    """What is searchable of a document, how it was made, and what it came with."""

    version: str = ""
    recipe: str = ""  # the knowledge version at that time
    collection: str = ""


class KeyValueLedger:
    """One record per document, and one map per collection."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def note(self, tenant_id: str, document_id: str, submitted_unix_ms: int) -> None:
        """Remember the newest submission, so that an older one cannot undo it."""
        await self._kv.set(f"submitted:{tenant_id}:{document_id}", str(submitted_unix_ms).encode())

    async def newest(self, tenant_id: str, document_id: str) -> int:
        """When the newest submission was; 0 for none."""
        return int(await self._kv.get(f"submitted:{tenant_id}:{document_id}") or b"0")

    async def indexed(self, tenant_id: str, document_id: str) -> Indexed:
        """What was recorded last; empty fields for nothing."""
        found = await self._kv.get(_record(tenant_id, document_id))
        return Indexed(*json.loads(found)) if found else Indexed()

    async def record(self, tenant_id: str, document_id: str, now: Indexed) -> None:
        """The document is searchable like this from now on."""
        before = await self.indexed(tenant_id, document_id)
        if before.collection and before.collection != now.collection:
            await self._kv.remove_field(_map(tenant_id, before.collection), document_id)
        if now.collection:
            value = json.dumps([now.version, now.recipe]).encode()
            await self._kv.put_field(
                _map(tenant_id, now.collection), document_id, value, ttl_s=None
            )
        value = json.dumps([now.version, now.recipe, now.collection]).encode()
        await self._kv.set(_record(tenant_id, document_id), value)

    async def forget(self, tenant_id: str, document_id: str) -> None:
        """The document is not searchable any more."""
        before = await self.indexed(tenant_id, document_id)
        if before.collection:
            await self._kv.remove_field(_map(tenant_id, before.collection), document_id)
        await self._kv.delete(_record(tenant_id, document_id))

    async def collection(self, tenant_id: str, collection: str) -> Mapping[str, Indexed]:
        """Document id → what is searchable of it, for all that came with `collection`."""
        found = await self._kv.fields(_map(tenant_id, collection))
        made = {name: json.loads(value) for name, value in found.items()}
        return {name: Indexed(row[0], row[1], collection) for name, row in made.items()}


def _record(tenant_id: str, document_id: str) -> str:
    return f"indexed:{tenant_id}:{document_id}"


def _map(tenant_id: str, collection: str) -> str:
    return f"collection:{tenant_id}:{collection}"
