"""The measurement of the steps, on a handful of documents."""

from pathlib import Path

from services.retrieval.bench import measure, questions_of, table
from services.retrieval.datasets import read_documents
from services.retrieval.evaluate import fill
from services.retrieval.search import Searcher
from shared.embeddings.hashing import HashingEmbedder
from shared.vectors import open_vectors


def test_every_step_that_was_taken_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "refunds.md").write_text("# Refunds\n\nMoney comes back.\n")
    (tmp_path / "gifts.md").write_text("# Gifts\n\nWrapped.\n")
    embedder = HashingEmbedder()
    documents = read_documents(tmp_path, embedder)
    asked = questions_of(documents, tmp_path, None)
    assert asked == ["Gifts", "Refunds"]
    store = open_vectors("edge:")
    chunks = fill(store, embedder, documents, tmp_path / "cache")
    took = measure(Searcher(embedder, store), asked)
    store.close()
    steps = ["embed", "search", "words", "all"]
    assert {step: len(times) for step, times in took.items()} == dict.fromkeys(steps, 2)
    report = table(took, chunks)
    assert "2 questions, 2 chunks" in report
    assert "fewer than 10000 chunks" in report
    assert [line.split()[0] for line in report.splitlines()[3:]] == steps
