"""An embedder for event loops: bounded, timed, and with bytes as events carry them."""

from shared.embeddings.port import Embedder
from shared.executor import BoundedExecutor


class BoundedEmbedder:
    """Embeds single questions off the event loop."""

    def __init__(self, embedder: Embedder, *, timeout_s: float, queue: int) -> None:
        self._embedder = embedder
        self._executor = BoundedExecutor("embedder", queue=queue, timeout_s=timeout_s)

    async def embed(self, text: str) -> bytes:
        """[dimensions] float32 as bytes. Raises Overloaded (queue full), Transient (too slow)."""
        return await self._executor.run(self._embed_now, text)

    def _embed_now(self, text: str) -> bytes:
        return bytes(self._embedder.embed([text])[0].tobytes())

    def close(self) -> None:
        self._executor.close()
