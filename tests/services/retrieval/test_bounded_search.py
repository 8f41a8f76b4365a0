"""Questions share the re-ranker's batches, and do without it when it is busy."""

import asyncio
import threading
from collections.abc import Iterator, Sequence

import pytest

from services.retrieval.adapters import BoundedSearch
from services.retrieval.handlers import Found
from services.retrieval.search import Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings.hashing import HashingEmbedder
from shared.events import Routed
from shared.vectors import Chunk, VectorStore, open_vectors

EMBEDDER = HashingEmbedder()
TEXTS = {name: f"{name} parcels are tracked by number" for name in ("red", "green", "blue")}


class Gate:
    """A re-ranker that waits until it is let go, and remembers its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[int] = []

    def scores(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.batches.append(len(pairs))
        self.open.wait(5)
        return [9.0 if "blue" in passage else 0.0 for _, passage in pairs]


@pytest.fixture
def store() -> Iterator[VectorStore]:
    opened = open_vectors("edge:")
    for name, text in TEXTS.items():
        chunk = Chunk(f"{name}#0", name, "1", "shop", text, "Parcels")
        opened.replace_document("shop", name, "1", [chunk], EMBEDDER.embed([text]))
    yield opened
    opened.close()


def question(number: int) -> Routed:
    return Routed(
        tenant_id="shop",
        conversation_id="c",
        turn_id=f"t{number}",
        text="where are my parcels",
        fingerprint="f",
        deadline_unix_ms=1,
        route="knowledge_base",
        intent="parcel",
        intent_confidence=0.9,
    )


def names(found: Found) -> list[str]:
    return [passage.document_id for passage in found.passages]


async def test_questions_that_meet_share_the_re_ranker(store: VectorStore) -> None:
    gate = Gate()
    search = BoundedSearch(Searcher(EMBEDDER, store, gate), store, EMBEDDER, RetrievalSettings())
    tasks = [
        asyncio.create_task(search.search(question(number), lexical_only=False, rerank=True))
        for number in range(4)
    ]
    await asyncio.sleep(0.3)
    gate.open.set()
    found = await asyncio.gather(*tasks)
    search.close()
    assert all(names(one)[0] == "blue" for one in found)
    assert sum(gate.batches) == 12
    assert max(gate.batches) > 3  # more than one question's passages at once
    assert max(gate.batches) <= 16


async def test_a_re_ranker_that_takes_too_long_is_passed_over(store: VectorStore) -> None:
    gate = Gate()
    settings = RetrievalSettings(rerank_timeout_s=0.05)
    search = BoundedSearch(Searcher(EMBEDDER, store, gate), store, EMBEDDER, settings)
    found = await search.search(question(1), lexical_only=False, rerank=True)
    gate.open.set()
    search.close()
    assert sorted(names(found)) == sorted(TEXTS)


async def test_the_policy_may_do_without_the_re_ranker(store: VectorStore) -> None:
    gate = Gate()
    search = BoundedSearch(Searcher(EMBEDDER, store, gate), store, EMBEDDER, RetrievalSettings())
    await search.search(question(1), lexical_only=False, rerank=False)
    search.close()
    assert gate.batches == []
