"""Texts to unit vectors. `open_embedder(url)` picks the variant.

`support:` MiniLM fine-tuned for help articles · `minilm:` as published ·
`onnx:FOLDER` any sentence-transformers model · `hashing:` no model.
"""

from pathlib import Path

from shared.embeddings.port import Embedder, Vectors
from shared.errors import ConfigurationError

__all__ = ["Embedder", "Vectors", "open_embedder"]


def open_embedder(url: str, *, threads: int = 1) -> Embedder:
    """The embedder that `url` names, computing on `threads` threads.

    Raises:
        ConfigurationError: another scheme, or a folder without a usable model.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "minilm":
        from shared.embeddings.minilm import MiniLmEmbedder

        return MiniLmEmbedder(threads)
    if scheme == "support":
        from shared.embeddings.support import SupportEmbedder

        return SupportEmbedder(threads)
    if scheme == "hashing":
        from shared.embeddings.hashing import HashingEmbedder

        return HashingEmbedder()
    if scheme == "onnx":
        from shared.embeddings.onnx import open_folder

        return open_folder(Path(rest), threads)
    raise ConfigurationError(
        f"EMBEDDER_URL={url!r}: expected support: | minilm: | hashing: | onnx:FOLDER"
    )
