"""What every vector store promises, on each variant that can run here."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qdrant_client import QdrantClient

from shared.embeddings.hashing import HashingEmbedder
from shared.errors import ConfigurationError
from shared.vectors import Chunk, Query, Vectors, VectorStore, open_vectors
from shared.vectors.qdrant import QdrantVectorStore

EMBEDDER = HashingEmbedder()

pytestmark = [  # what the client's in-memory engine says about itself
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


@pytest.fixture(params=["edge", "qdrant client"])
def store(request: pytest.FixtureRequest) -> Iterator[VectorStore]:
    """The embedded engine, and the server's variant on the client's own in-memory engine.

    The latter runs our requests without a server; `live` tests run them against one.
    """
    if request.param == "edge":
        opened = open_vectors("edge:")
    else:
        opened = QdrantVectorStore("", client=QdrantClient(":memory:"))
    yield opened
    opened.close()


def chunks_of(document: str, *texts: str, version: str = "v1", **more: str) -> list[Chunk]:
    fields = {"tenant_id": "shop", "title": document, **more}
    return [
        Chunk(
            id=f"{document}@{version}#{n}",
            document_id=document,
            document_version=version,
            text=text,
            position=n,
            **fields,
        )
        for n, text in enumerate(texts)
    ]


def put(store: VectorStore, chunks: list[Chunk]) -> None:
    first = chunks[0]
    vectors = EMBEDDER.embed([chunk.text for chunk in chunks])
    store.replace_document(
        first.tenant_id, first.document_id, first.document_version, chunks, vectors
    )


def vector(text: str) -> Vectors:
    return EMBEDDER.embed([text])[0]


def documents(store: VectorStore, query: Query) -> list[str]:
    return [hit.chunk.document_id for hit in store.search(query)]


def test_a_chunk_comes_back_with_every_field_it_had(store: VectorStore) -> None:
    text, path = "Refunds take five days.", ("Money", "Back")
    source, updated = "https://shop.example/refunds", 1_700_000_000_000
    chunk = Chunk("a#0", "a", "v1", "shop", text, "Refunds", path, 0, "en-GB", "web", "public",
                  source, updated)  # fmt: skip
    put(store, [chunk])
    assert store.search(Query("shop", "refunds"))[0].chunk == chunk
    assert store.chunks_of("shop", "a") == [chunk]
    assert chunk.heading == "Money › Back"


def test_meaning_alone_and_words_alone_and_both_find_it(store: VectorStore) -> None:
    put(store, chunks_of("refunds", "A refund takes five days."))
    put(store, chunks_of("parcels", "Track a parcel with its number."))
    for query in (
        Query("shop", "refund"),
        Query("shop", vector=vector("refund")),
        Query("shop", "refund", vector("refund")),
    ):
        assert documents(store, query)[0] == "refunds"


def test_a_question_of_unknown_words_finds_nothing_by_words(store: VectorStore) -> None:
    put(store, chunks_of("refunds", "A refund takes five days."))
    assert store.search(Query("shop", "zebra")) == []
    assert store.search(Query("shop", "")) == []


def test_scores_fall_and_the_limit_holds(store: VectorStore) -> None:
    for n in range(8):
        put(store, chunks_of(f"doc{n}", f"refund policy number {n} " + "filler " * n))
    hits = store.search(Query("shop", "refund policy", vector("refund policy"), limit=5))
    assert len(hits) == 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert all(0 <= hit.score <= 1 for hit in hits)


def test_a_hit_carries_the_true_cosine_whichever_leg_found_it(store: VectorStore) -> None:
    put(store, chunks_of("a", "alpha beta gamma"))
    put(store, chunks_of("b", "alpha delta"))
    asked = vector("delta question")
    for hit in store.search(Query("shop", "alpha", asked, candidates=1)):
        assert hit.dense == pytest.approx(float(vector(hit.chunk.text) @ asked), abs=1e-5)


def test_one_tenant_never_sees_another(store: VectorStore) -> None:
    put(store, chunks_of("secret", "The other shop's refund rule.", tenant_id="other"))
    assert store.search(Query("shop", "refund", vector("refund rule"))) == []
    assert store.fetch_vectors("shop", ["secret@v1#0"]) == {}
    assert not store.remove_document("shop", "secret")
    assert store.count("other") == 1


def test_filters_keep_to_language_product_and_audience(store: VectorStore) -> None:
    put(store, chunks_of("english", "refund", locale="en-GB", product="web"))
    put(store, chunks_of("german", "refund", locale="de", product="app"))
    put(store, chunks_of("internal", "refund", visibility="agents"))
    assert documents(store, Query("shop", "refund", locale="en-US")) == ["english"]
    assert documents(store, Query("shop", "refund", product="app")) == ["german"]
    assert set(documents(store, Query("shop", "refund"))) == {"english", "german"}
    everyone = Query("shop", "refund", visibility=("public", "agents"), locale="en")
    assert set(documents(store, everyone)) == {"english", "internal"}


def test_a_new_version_takes_the_place_of_the_old_one(store: VectorStore) -> None:
    put(store, chunks_of("refunds", "old refund text", "more old refund text"))
    put(store, chunks_of("refunds", "new refund text", version="v2"))
    assert [hit.chunk.text for hit in store.search(Query("shop", "refund"))] == ["new refund text"]
    assert store.versions("shop") == {"refunds": "v2"}
    assert store.count("shop") == 1


def test_the_same_version_twice_is_there_once(store: VectorStore) -> None:
    for _ in range(2):
        put(store, chunks_of("refunds", "refund text", "more refund text"))
    assert len(store.search(Query("shop", "refund"))) == store.count("shop") == 2


def test_a_removed_document_is_gone_and_can_come_back(store: VectorStore) -> None:
    put(store, chunks_of("refunds", "refund text"))
    assert store.remove_document("shop", "refunds")
    assert not store.remove_document("shop", "refunds")
    assert store.search(Query("shop", "refund")) == []
    assert store.count("shop") == 0
    put(store, chunks_of("refunds", "refund text"))
    assert store.count("shop") == 1


def test_a_document_without_chunks_is_known_and_empty(store: VectorStore) -> None:
    store.replace_document("shop", "empty", "v1", [], np.zeros((0, 384), np.float32))
    assert store.versions("shop") == {"empty": "v1"}
    assert store.count("shop") == 0


def test_a_forgotten_tenant_is_empty(store: VectorStore) -> None:
    put(store, chunks_of("refunds", "refund text"))
    store.remove_tenant("shop")
    assert store.search(Query("shop", "refund")) == []
    assert store.versions("shop") == {}


def test_vectors_can_be_fetched_by_chunk(store: VectorStore) -> None:
    put(store, chunks_of("refunds", "refund text", "more"))
    fetched = store.fetch_vectors("shop", ["refunds@v1#1", "nowhere"])
    assert fetched.keys() == {"refunds@v1#1"}
    np.testing.assert_allclose(fetched["refunds@v1#1"], vector("more"), atol=1e-6)


@pytest.mark.parametrize("wrong", [{"tenant_id": "other"}, {"version": "v9"}])
def test_chunks_of_somebody_else_are_refused(store: VectorStore, wrong: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="belongs to"):
        store.replace_document("shop", "a", "v1", chunks_of("a", "x", **wrong), vector("x")[None])


def test_as_many_vectors_as_chunks(store: VectorStore) -> None:
    with pytest.raises(ValueError, match="1 chunks but 2 vectors"):
        store.replace_document("shop", "a", "v1", chunks_of("a", "x"), EMBEDDER.embed(["x", "y"]))


def test_a_search_never_sees_half_a_document() -> None:
    store = open_vectors("edge:")  # the client's in-memory engine is not made for threads
    put(store, chunks_of("moving", *["refund policy"] * 6, version="v0"))
    stop = threading.Event()
    seen: list[tuple[str, ...]] = []

    def read() -> None:
        while not stop.is_set():
            hits = store.search(Query("shop", "refund", vector("refund policy")))
            seen.append(tuple(hit.chunk.document_version for hit in hits))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for n in range(1, 25):
        put(store, chunks_of("moving", *["refund policy"] * 6, version=f"v{n}"))
    stop.set()
    for reader in readers:
        reader.join()
    assert len(seen) > 10
    assert {(len(versions), len(set(versions))) for versions in seen} == {(6, 1)}
    store.close()


class AskedBeforeEachRequest:
    """A Qdrant client that lets somebody look in before and after every request."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._client = QdrantClient(":memory:")
        self._look = look

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name not in {"upsert", "delete"}:
            return found

        def watched(*arguments: Any, **more: Any) -> Any:
            self._look()
            done = found(*arguments, **more)
            self._look()
            return done

        return watched


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_between_any_two_requests_to_a_server_a_document_is_whole(sizes: list[int]) -> None:
    """Of each size in turn, 0 for removed: a look in the middle sees the old or the new one."""
    seen: list[set[tuple[str, int]]] = []

    def look() -> None:
        hits = store.search(Query("shop", "refund", vector("refund policy")))
        versions = [hit.chunk.document_version for hit in hits]
        seen.append({(version, versions.count(version)) for version in versions})

    client = AskedBeforeEachRequest(look)
    store = QdrantVectorStore("", client=cast(QdrantClient, client))
    states: list[set[tuple[str, int]]] = [set()]
    for number, size in enumerate(sizes):
        seen.clear()
        if size:
            version = f"v{number}"
            put(store, chunks_of("moving", *["refund policy"] * size, version=version))
            states.append({(version, size)})
        else:
            store.remove_document("shop", "moving")
            states.append(set())
        assert all(state in states[-2:] for state in seen)
        look()
        assert seen[-1] == states[-1]
    store.close()


def test_an_unknown_url_says_what_would_be_right() -> None:
    with pytest.raises(ConfigurationError, match="edge:FOLDER"):
        open_vectors("chroma:")


def test_the_embedded_store_keeps_everything_across_a_restart(tmp_path: Path) -> None:
    first = open_vectors(f"edge:{tmp_path}")
    put(first, chunks_of("refunds", "refund text"))
    first.close()
    second = open_vectors(f"edge:{tmp_path}")
    assert documents(second, Query("shop", "refund", vector("refund"))) == ["refunds"]
    assert second.versions("shop") == {"refunds": "v1"}
    second.close()
