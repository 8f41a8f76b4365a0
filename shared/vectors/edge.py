"""Qdrant's own engine inside this process: one shard, in a folder of its own, per tenant.

Shards keep tenants apart by construction and make word rarity a tenant's own. A folder belongs to
one process at a time. Writes are in the engine's write-ahead log before a call returns.
"""

import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from shared.errors import Unavailable
from shared.vectors import layout
from shared.vectors.edge_shard import Shard
from shared.vectors.port import Chunk, Hit, Query, Vectors


class EdgeVectorStore:
    """A VectorStore on Qdrant Edge. Without a folder it lives in a temporary one until closed."""

    def __init__(self, folder: Path | None = None, dimensions: int = 384) -> None:
        self._temporary = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="vectors-"))
        self._dimensions = dimensions
        self._shards: dict[str, Shard] = {}
        self._lock = threading.Lock()
        self._closed = False

    def replace_document(
        self,
        tenant_id: str,
        document_id: str,
        version: str,
        chunks: Sequence[Chunk],
        vectors: Vectors,
    ) -> None:
        layout.check_document(tenant_id, document_id, version, chunks, vectors)
        shard = self._writable(tenant_id)
        generation = uuid.uuid4().hex
        shard.add(generation, chunks, vectors)
        head = layout.head_payload(tenant_id, document_id, version, generation, len(chunks))
        shard.move_head(document_id, head)
        shard.drop_other_generations(document_id, generation)

    def remove_document(self, tenant_id: str, document_id: str) -> bool:
        shard = self._existing(tenant_id)
        return shard is not None and shard.remove(tenant_id, document_id)

    def remove_tenant(self, tenant_id: str) -> None:
        with self._lock:
            shard = self._shards.pop(tenant_id, None)
            if shard is not None:
                shard.close()
            shutil.rmtree(self._path(tenant_id), ignore_errors=True)

    def search(self, query: Query) -> list[Hit]:
        shard = self._existing(query.tenant_id)
        return [] if shard is None else shard.search(query)

    def fetch_vectors(self, tenant_id: str, chunk_ids: Sequence[str]) -> Mapping[str, Vectors]:
        shard = self._existing(tenant_id)
        return {} if shard is None else shard.vectors_of(chunk_ids)

    def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        shard = self._existing(tenant_id)
        return [] if shard is None else shard.chunks_of(document_id)

    def count(self, tenant_id: str) -> int:
        return sum(int(head["chunks"]) for head in self._heads(tenant_id))

    def versions(self, tenant_id: str) -> Mapping[str, str]:
        return {head["document_id"]: head["version"] for head in self._heads(tenant_id)}

    def optimize(self, tenant_id: str) -> bool:
        """Build indexes and give back the room of deleted chunks; worth it after a large import.

        Searching goes on meanwhile. True when there was something to do.
        """
        shard = self._existing(tenant_id)
        return shard is not None and shard.optimize()

    def ping(self, timeout_s: float = 0.5) -> bool:
        return not self._closed

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for shard in self._shards.values():
                shard.close()
            self._shards.clear()
            if self._temporary:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _heads(self, tenant_id: str) -> Iterable[Mapping[str, Any]]:
        shard = self._existing(tenant_id)
        return () if shard is None else shard.heads.values()

    def _path(self, tenant_id: str) -> Path:
        return self._folder / f"tenant-{quote(tenant_id, safe='')}"

    def _existing(self, tenant_id: str) -> Shard | None:
        return self._open(tenant_id, create=False)

    def _writable(self, tenant_id: str) -> Shard:
        shard = self._open(tenant_id, create=True)
        assert shard is not None
        return shard

    def _open(self, tenant_id: str, *, create: bool) -> Shard | None:
        with self._lock:
            if self._closed:
                raise Unavailable("the vector store is closed")
            shard = self._shards.get(tenant_id)
            path = self._path(tenant_id)
            if shard is None and (create or path.is_dir()):
                shard = Shard(path, self._dimensions)
                self._shards[tenant_id] = shard
            return shard
