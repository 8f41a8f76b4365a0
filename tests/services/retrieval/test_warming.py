"""After a restart a tenant's documents are learnt in the background, once."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from services.retrieval.warming import Warmer
from shared.errors import Unavailable
from shared.vectors import Chunk


def until(holds: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait for it."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "did not come true"
        time.sleep(0.01)


class Shelf:
    """Two documents of one shop; `troubles` reads fail first."""

    def __init__(self, troubles: int = 0) -> None:
        self._troubles = troubles
        self.listed = 0

    def versions(self, tenant_id: str) -> Mapping[str, str]:
        self.listed += 1
        if self.listed <= self._troubles:
            raise Unavailable("the vector store is away")
        return {"a": "1", "b": "1"} if tenant_id == "shop" else {}

    def chunks_of(self, tenant_id: str, document_id: str) -> list[Chunk]:
        return [Chunk(f"{document_id}#0", document_id, "1", tenant_id, "text", "Title")]


class Learnt:
    """What was learnt; waits at the first document while `gate` is closed."""

    def __init__(self) -> None:
        self.documents: list[str] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, chunks: Sequence[Chunk]) -> None:
        self.documents.append(chunks[0].document_id)
        self.gate.wait(5)


def test_the_first_question_has_all_documents_learnt_and_the_next_none() -> None:
    learnt, shelf = Learnt(), Shelf()
    warmer = Warmer(shelf, learnt)  # type: ignore[arg-type]
    for tenant in ("shop", "shop", "empty", "shop"):
        warmer.hear(tenant)
    until(lambda: shelf.listed == 2)
    warmer.close()
    assert learnt.documents == ["a", "b"]


def test_a_store_that_was_away_is_tried_again_at_the_next_question() -> None:
    learnt, shelf = Learnt(), Shelf(troubles=1)
    warmer = Warmer(shelf, learnt)  # type: ignore[arg-type]
    warmer.hear("shop")
    until(lambda: shelf.listed == 1)

    def asked_again() -> bool:
        warmer.hear("shop")
        return learnt.documents == ["a", "b"]

    until(asked_again)
    warmer.close()


def test_closing_waits_for_the_document_at_hand_and_no_longer() -> None:
    learnt = Learnt()
    learnt.gate.clear()
    warmer = Warmer(Shelf(), learnt)  # type: ignore[arg-type]
    warmer.hear("shop")
    until(lambda: learnt.documents == ["a"])
    closing = threading.Thread(target=warmer.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    learnt.gate.set()
    closing.join(5)
    assert not closing.is_alive()
    assert learnt.documents == ["a"]
