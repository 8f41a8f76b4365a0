"""Chunks of documents, searched by meaning and by words. `open_vectors(url)` picks the variant.

`edge:FOLDER` Qdrant's engine in this process (`edge:` in a temporary folder) ·
`http://host:6333` a Qdrant server.
"""

from pathlib import Path

from shared.errors import ConfigurationError
from shared.vectors.port import PUBLIC, Chunk, Hit, Query, Vectors, VectorStore

__all__ = ["PUBLIC", "Chunk", "Hit", "Query", "VectorStore", "Vectors", "open_vectors"]


def open_vectors(url: str, *, dimensions: int = 384) -> VectorStore:
    """The store that `url` names, for vectors of `dimensions`.

    Raises:
        ConfigurationError: another scheme.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "edge":
        from shared.vectors.edge import EdgeVectorStore

        return EdgeVectorStore(Path(rest) if rest else None, dimensions)
    if scheme in ("http", "https"):
        from shared.vectors.qdrant import QdrantVectorStore

        return QdrantVectorStore(url, dimensions)
    raise ConfigurationError(f"VECTORS_URL={url!r}: expected edge:FOLDER | http://host:6333")
