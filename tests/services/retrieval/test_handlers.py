"""What becomes of a submitted document: prepared, left alone, replaced, withdrawn."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.retrieval.documents import KnownVectors, embedded, text_hash
from services.retrieval.handlers import Deps, index, submit
from services.retrieval.ledger import KeyValueLedger
from services.retrieval.settings import RetrievalSettings
from shared.boards import PolicyBoard
from shared.clock import ManualClock
from shared.embeddings.hashing import HashingEmbedder
from shared.embeddings.port import Vectors
from shared.events import DocumentPrepared, DocumentSubmitted
from shared.ingestions import Ingestions
from shared.kv.memory import MemoryKeyValue
from shared.vectors import Chunk


@dataclass
class Shelf:
    """An index that remembers what it was given, and jobs that wait."""

    knowledge_version: str = "recipe-1"
    documents: dict[str, DocumentPrepared] = field(default_factory=dict)
    jobs: list[tuple[DocumentSubmitted, KnownVectors]] = field(default_factory=list)

    async def version(self, tenant_id: str, document_id: str) -> str:
        found = self.documents.get(document_id)
        return found.version if found else ""

    async def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        found = self.documents.get(document_id)
        if found is None:
            return []
        return [Chunk("c", document_id, found.version, tenant_id, "text", found.title)]

    async def known_vectors(self, tenant_id: str, document_id: str) -> KnownVectors:
        return {"hash": b"vector"} if document_id in self.documents else {}

    async def replace(self, event: DocumentPrepared) -> None:
        self.documents[event.document_id] = event

    async def remove(self, tenant_id: str, document_id: str) -> None:
        self.documents.pop(document_id, None)

    async def prepare(self, event: DocumentSubmitted, known: KnownVectors) -> None:
        self.jobs.append((event, known))


def world() -> tuple[Shelf, Deps]:
    shelf, kv = Shelf(), MemoryKeyValue()
    nobody: Any = None
    deps = Deps(
        settings=RetrievalSettings(),
        search=nobody,
        index=shelf,
        jobs=shelf,
        ledger=KeyValueLedger(kv),
        progress=Ingestions(kv),
        policy=PolicyBoard(),
        clock=ManualClock(),
    )
    return shelf, deps


def submitted(at_ms: int = 1, **more: Any) -> DocumentSubmitted:
    facts = {"version": "v1", "content": "text", "title": "T", "ingestion_id": "i", **more}
    return DocumentSubmitted(tenant_id="t", document_id="d", submitted_unix_ms=at_ms, **facts)


def prepared(at_ms: int = 1, **more: Any) -> DocumentPrepared:
    facts = {"version": "v1", "title": "T", "collection": "folder", "ingestion_id": "i", **more}
    return DocumentPrepared(tenant_id="t", document_id="d", submitted_unix_ms=at_ms, **facts)


async def test_a_new_document_is_prepared_and_then_recorded() -> None:
    shelf, deps = world()
    assert await submit(submitted(), deps) is None
    assert [known for _, known in shelf.jobs] == [{}]
    change = await index(prepared(), deps)
    assert change is not None
    assert (change.state, change.collection, change.ingestion_id) == ("indexed", "folder", "i")
    assert set(await deps.ledger.collection("t", "folder")) == {"d"}  # type: ignore[attr-defined]


async def test_an_unchanged_document_is_left_alone() -> None:
    shelf, deps = world()
    await index(prepared(), deps)
    change = await submit(submitted(2), deps)
    assert change is not None and change.state == "indexed" and shelf.jobs == []


async def test_a_new_recipe_or_a_lost_index_means_preparing_again() -> None:
    shelf, deps = world()
    await index(prepared(), deps)
    shelf.knowledge_version = "recipe-2"
    await submit(submitted(2), deps)
    assert [known for _, known in shelf.jobs] == [{}]  # vectors of another recipe are useless
    shelf.knowledge_version = "recipe-1"
    shelf.documents.clear()
    await submit(submitted(3), deps)
    assert len(shelf.jobs) == 2


async def test_a_changed_document_takes_its_vectors_along() -> None:
    shelf, deps = world()
    await index(prepared(), deps)
    await submit(submitted(2, version="v2"), deps)
    assert [known for _, known in shelf.jobs] == [{"hash": b"vector"}]


async def test_again_means_again() -> None:
    shelf, deps = world()
    await index(prepared(), deps)
    await submit(submitted(2, again=True), deps)
    assert [known for _, known in shelf.jobs] == [{}]


async def test_a_late_job_does_not_undo_a_newer_submission() -> None:
    shelf, deps = world()
    await submit(submitted(1), deps)
    await submit(submitted(5, withdrawn=True), deps)
    assert await index(prepared(1), deps) is None
    assert shelf.documents == {}


async def test_a_rejection_is_told_and_changes_nothing() -> None:
    shelf, deps = world()
    await index(prepared(), deps)
    change = await index(prepared(2, version="v2", rejection="too large"), deps)
    assert change is not None and (change.state, change.reason) == ("rejected", "too large")
    assert shelf.documents["d"].version == "v1"
    steps = await deps.progress.steps("t", "i")  # type: ignore[attr-defined]
    assert (steps["d"].state, steps["d"].reason) == ("rejected", "too large")


async def test_a_document_that_moves_to_another_collection_leaves_the_first() -> None:
    _, deps = world()
    await index(prepared(), deps)
    await index(prepared(2, collection="other"), deps)
    ledger = deps.ledger
    assert isinstance(ledger, KeyValueLedger)
    assert set(await ledger.collection("t", "folder")) == set()
    assert set(await ledger.collection("t", "other")) == {"d"}
    await submit(submitted(3, withdrawn=True), deps)
    assert set(await ledger.collection("t", "other")) == set()


def test_equal_text_is_not_embedded_again() -> None:
    texts: list[str] = []

    class Counting(HashingEmbedder):
        def embed(self, new: Any) -> Vectors:
            texts.extend(new)
            return super().embed(new)

    embedder = Counting()
    kept = np.full(384, 0.5, np.float32)
    rows = embedded(["new", "old", "newer"], embedder, {text_hash("old"): kept.tobytes()})
    assert texts == ["new", "newer"]
    assert np.array_equal(rows[1], kept)
    assert np.array_equal(rows[[0, 2]], HashingEmbedder().embed(["new", "newer"]))
