"""MiniLM fine-tuned for help articles: 22 MB in this folder, twice as fast on AVX2 as `minilm:`.

all-MiniLM-L6-v2 (Apache 2.0), trained for 13 minutes on a 2-core machine by
`services.retrieval.training.embedder` on questions mined from MicrosoftDocs/OfficeDocs-Support
(CC BY 4.0) and duplicate questions of Quora pairs; exported by `….training.export`.
Its weights are 8-bit with activations scaled per batch: company moves a vector by up to 0.03.
What it brings on articles it has and has never seen: `services/retrieval/RESULTS.md`.
"""

from pathlib import Path

from shared.embeddings.onnx import OnnxEmbedder

MODEL = Path(__file__).parent / "model.onnx"
MAX_TOKENS = 512


class SupportEmbedder(OnnxEmbedder):
    """384 dimensions, English."""

    def __init__(self, threads: int = 1) -> None:
        super().__init__(MODEL, name="minilm-support-1", threads=threads, max_tokens=MAX_TOKENS)
