"""GPTCache and redisvl as their documentation sets them up, with our embedder."""

import inspect
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from shared.embeddings import Embedder
from shared.embeddings.port import Vectors

LookUp = Callable[[str], Awaitable[object]]
ANSWER = "You can return unused items within 30 days of delivery. " * 5
GPTCACHE_THRESHOLD = 0.8  # `Config().similarity_threshold`; of SearchDistanceEvaluation's range
CHUNK = 1000  # entries GPTCache imports at a time


@contextmanager
def gptcache_of(questions: Sequence[str], vectors: Vectors, embedder: Embedder) -> Iterator[LookUp]:
    """GPTCache with SQLite and FAISS, its own defaults for development."""
    from gptcache import Cache
    from gptcache.adapter.api import get
    from gptcache.manager import CacheBase, VectorBase, get_data_manager
    from gptcache.processor.pre import get_prompt
    from gptcache.similarity_evaluation import SearchDistanceEvaluation

    def embedding(text: str, **_: Any) -> NDArray[np.float32]:
        return np.asarray(embedder.embed([text])[0])

    with tempfile.TemporaryDirectory() as folder:
        scalars = CacheBase("sqlite", sql_url=f"sqlite:///{Path(folder) / 'cache.db'}")
        index = VectorBase(
            "faiss", dimension=vectors.shape[1], index_path=str(Path(folder) / "faiss.index")
        )
        manager = get_data_manager(scalars, index, max_size=2 * len(questions))
        cache = Cache()
        cache.init(
            pre_embedding_func=get_prompt,
            embedding_func=embedding,
            data_manager=manager,
            similarity_evaluation=SearchDistanceEvaluation(),
        )
        starts = range(0, len(questions), CHUNK)
        for start in track(starts, "filling GPTCache", console=Console(stderr=True)):
            texts = list(questions[start : start + CHUNK])
            rows = list(vectors[start : start + CHUNK])
            manager.import_data(texts, [ANSWER] * len(texts), rows, [None] * len(texts))

        async def look_up(text: str) -> object:
            return get(text, cache_obj=cache)

        yield look_up


def gptcache_accepts(cosines: NDArray[np.float64]) -> NDArray[np.bool_]:
    """What its default evaluation and threshold accept; FAISS hands it squared L2 distances."""
    from gptcache.similarity_evaluation import SearchDistanceEvaluation

    judge = SearchDistanceEvaluation()
    low, high = judge.range()
    least = low + (high - low) * GPTCACHE_THRESHOLD
    ranks = [judge.evaluation({}, {"search_result": (2 - 2 * cosine, 0)}) for cosine in cosines]
    return np.array([rank >= least for rank in ranks])


def redisvl_distance() -> float:
    """The cosine distance up to which its SemanticCache accepts by default."""
    from redisvl.extensions.cache.llm import SemanticCache

    return float(inspect.signature(SemanticCache.__init__).parameters["distance_threshold"].default)


def has_query_engine(url: str) -> bool:
    """Whether the server knows FT commands, without which redisvl cannot work."""
    from redis import Redis
    from redis.exceptions import ResponseError

    with Redis.from_url(url) as redis:
        try:
            redis.execute_command("FT._LIST")
        except ResponseError:
            return False
    return True


def redisvl_of(url: str, questions: Sequence[str], vectors: Vectors, embedder: Embedder) -> LookUp:
    """redisvl's SemanticCache on a Redis with the query engine: an index without approximation."""
    from redisvl.extensions.cache.llm import SemanticCache
    from redisvl.utils.vectorize import CustomTextVectorizer

    vectorizer = CustomTextVectorizer(embed=lambda text: embedder.embed([text])[0].tolist())
    cache = SemanticCache(name="bench", redis_url=url, vectorizer=vectorizer, overwrite=True)
    rows = list(zip(questions, vectors, strict=True))
    for question, vector in track(rows, "filling redisvl", console=Console(stderr=True)):
        cache.store(prompt=question, response=ANSWER, vector=vector.tolist())

    async def look_up(text: str) -> object:
        return cache.check(prompt=text)

    return look_up
