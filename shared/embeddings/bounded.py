"""An embedder for event loops: one bounded executor, a time limit, bytes as events carry them."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from shared.embeddings.port import Embedder
from shared.errors import Overloaded, Transient


class BoundedEmbedder:
    """Embeds single questions off the event loop."""

    def __init__(self, embedder: Embedder, *, timeout_s: float, queue: int) -> None:
        self._embedder = embedder
        self._timeout_s = timeout_s
        self._free = queue
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="embedder")

    async def embed(self, text: str) -> bytes:
        """[dimensions] float32 as bytes. Raises Overloaded (queue full), Transient (too slow)."""
        if self._free <= 0:
            raise Overloaded("too many questions wait for the embedder")
        self._free -= 1
        try:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._thread, self._embed_now, text)
            return await asyncio.wait_for(work, self._timeout_s)
        except TimeoutError:
            raise Transient("the embedder took too long") from None
        finally:
            self._free += 1

    def _embed_now(self, text: str) -> bytes:
        return bytes(self._embedder.embed([text])[0].tobytes())

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)
