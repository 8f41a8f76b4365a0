"""What every vector store promises, and the values it speaks in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of one version of a document, and all that an answer needs to cite it."""

    id: str  # unique within the tenant, e.g. "refunds@3f2a#2"
    document_id: str
    document_version: str
    tenant_id: str
    text: str  # of this piece alone; `title` and `headings` say where it stands
    title: str
    headings: tuple[str, ...] = ()  # from the outermost heading to the innermost
    position: int = 0  # 0-based, in reading order
    locale: str = "en"  # of the text; matched on its language: en-GB finds en
    product: str = ""
    visibility: str = PUBLIC  # who may see it: PUBLIC, or any other word, e.g. "agents"
    source: str = ""  # URL or path for a customer or an agent to open
    updated_unix_ms: int = 0

    @property
    def heading(self) -> str:
        """The heading path as people read it: "Returns › Large items"."""
        return " › ".join(self.headings)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for. `vector` None: words only; `text` empty: meaning only."""

    tenant_id: str
    text: str = ""
    vector: Vectors | None = None  # [dimensions] float32, unit length
    locale: str = ""  # "" matches every language
    product: str = ""  # "" matches every product
    visibility: tuple[str, ...] = (PUBLIC,)
    limit: int = 50
    dense_weight: float = 0.5  # share of meaning in the fused score, 0 to 1; the rest is words
    candidates: int = 100  # taken from each leg before fusion


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matches, with what each leg thought of it."""

    chunk: Chunk
    score: float  # fused, 0 to 1; comparable within one result only
    dense: float  # cosine, -1 to 1; 0 when the query has no vector
    lexical: float  # BM25, ≥ 0; 0 when no word matches or the query has no text
    vector: Vectors | None = None  # [dimensions] float32; None when the query has no vector


class VectorStore(Protocol):
    """Chunks by tenant, searched by meaning and by words. Thread-safe, synchronous.

    Call it in an executor. Every method raises `Unavailable` when the store cannot be reached;
    a tenant nobody has written to is empty, not an error. No call sees another tenant's chunks.
    """

    def replace_document(
        self,
        tenant_id: str,
        document_id: str,
        version: str,
        chunks: Sequence[Chunk],
        vectors: Vectors,
    ) -> None:
        """Make `chunks` the whole of a document; `vectors` is [n, dimensions], unit length.

        Atomic for readers: a search sees all chunks of the former version or all of the new one,
        also while this runs and after a crash in the middle of it. Writers of the same document
        must not run at the same time; writers of different ones may.

        Raises:
            ValueError: a chunk of another tenant, document or version, or vectors that do not fit.
        """
        ...

    def remove_document(self, tenant_id: str, document_id: str) -> bool:
        """Take a document out of every later search. False: it was not there."""
        ...

    def remove_tenant(self, tenant_id: str) -> None:
        """Forget everything of a tenant."""
        ...

    def search(self, query: Query) -> list[Hit]:
        """At most `query.limit` chunks, best fused score first; ties by chunk id."""
        ...

    def fetch_vectors(self, tenant_id: str, chunk_ids: Sequence[str]) -> Mapping[str, Vectors]:
        """The dense vectors of those chunks that exist, each [dimensions] float32."""
        ...

    def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        """The current version of a document in reading order; empty when it is not there."""
        ...

    def count(self, tenant_id: str) -> int:
        """How many chunks of current versions the tenant has."""
        ...

    def versions(self, tenant_id: str) -> Mapping[str, str]:
        """The version of every document the tenant has: what to skip when nothing changed."""
        ...

    def ping(self, timeout_s: float = 0.5) -> bool:
        """True when a search would be answered."""
        ...

    def close(self) -> None:
        """Flush and let go of files and connections. Nothing else may be called afterwards."""
        ...
