"""How far an import is: one small record per document, written by whoever knows, read by the door.

The gateway and the nightly sync write `submitted`; retrieval writes what becomes of it. All in the
key-value store, so that every gateway process answers the same and a restart forgets nothing.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, get_args

from shared.errors import Unavailable
from shared.kv.port import KeyValue

Progress = Literal["submitted", "prepared", "indexed", "unchanged", "rejected", "removed"]
STATES: tuple[Progress, ...] = get_args(Progress)
KEEP_S = 7 * 86_400.0


@dataclass(frozen=True)
class Step:
    """Where one document of an import is."""

    state: Progress
    name: str = ""  # of the file or page, as people know it
    reason: str = ""  # of a rejection


class Ingestions:
    """Progress of imports. Lost writes cost progress bars, never documents."""

    def __init__(self, kv: KeyValue) -> None:
        self._kv = kv

    async def note(self, tenant_id: str, ingestion_id: str, document_id: str, step: Step) -> None:
        """Record where a document is now. Nothing without an import, or while the store is away."""
        if not ingestion_id:
            return
        value = json.dumps([step.state, step.name, step.reason]).encode()
        with suppress(Unavailable):
            key = _key(tenant_id, ingestion_id)
            await self._kv.put_field(key, document_id, value, ttl_s=KEEP_S)

    async def steps(self, tenant_id: str, ingestion_id: str) -> Mapping[str, Step]:
        """Document id → where it is; empty for an import nobody knows. Raises Unavailable."""
        found = await self._kv.fields(_key(tenant_id, ingestion_id))
        return {document: Step(*json.loads(value)) for document, value in found.items()}


def _key(tenant_id: str, ingestion_id: str) -> str:
    return f"ingestion:{tenant_id}:{ingestion_id}"
