"""Texts to unit vectors. `open_embedder(url)` picks the variant.

`support:` MiniLM fine-tuned for help articles · `minilm:` as published ·
`onnx:FOLDER` any sentence-transformers model · `hashing:` no model.
"""

from pathlib import Path

from shared.embeddings.port import Embedder, TokenCounter, Vectors
from shared.errors import ConfigurationError

__all__ = ["Embedder", "TokenCounter", "Vectors", "open_embedder", "open_token_counter"]


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


def open_token_counter(url: str) -> TokenCounter:
    """What counts tokens as the embedder of the same `url` does; loads no model."""
    scheme, _, rest = url.partition(":")
    if scheme == "hashing":
        return open_embedder(url)
    from shared.embeddings.wordpiece import open_word_piece_counter

    return open_word_piece_counter(Path(rest) if scheme == "onnx" else None)
