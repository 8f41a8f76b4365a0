"""An embedder for event loops: batched, bounded, timed, and with bytes as events carry them."""

from collections.abc import Sequence

from shared.batching import BatchingExecutor
from shared.embeddings.port import Embedder


class BoundedEmbedder:
    """Embeds questions off the event loop; those that meet share one run of the model."""

    def __init__(self, embedder: Embedder, *, timeout_s: float, queue: int) -> None:
        self._embedder = embedder
        self._executor: BatchingExecutor[str, bytes] = BatchingExecutor(
            "embedder", self._embed_now, queue=queue, timeout_s=timeout_s
        )

    async def embed(self, text: str) -> bytes:
        """[dimensions] float32 as bytes. Raises Overloaded (queue full), Transient (too slow)."""
        return await self._executor.run(text)

    def _embed_now(self, texts: Sequence[str]) -> list[bytes]:
        return [bytes(vector.tobytes()) for vector in self._embedder.embed(texts)]

    def close(self) -> None:
        self._executor.close()
