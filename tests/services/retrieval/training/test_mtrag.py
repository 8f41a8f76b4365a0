"""The mt-rag tasks become a BEIR folder that the evaluation reads."""

from pathlib import Path

from services.retrieval.datasets import read_documents, read_queries
from services.retrieval.training.mtrag import write_beir
from shared.embeddings.hashing import HashingEmbedder


def task(name: str, answerable: str, *turns: str) -> dict[str, object]:
    return {
        "task_id": name,
        "answerability": [answerable],
        "input": [{"speaker": "user", "text": turn} for turn in turns],
        "contexts": [{"document_id": f"p-{name}", "text": f"about {name}"}],
    }


def test_answerable_tasks_ask_and_the_others_only_add_passages(tmp_path: Path) -> None:
    tasks = [task("a", "ANSWERABLE", "first", "second", "third"), task("b", "UNANSWERABLE", "no?")]
    write_beir(tasks, tmp_path)
    names = [document.id for document in read_documents(tmp_path, HashingEmbedder())]
    assert names == ["p-a", "p-b"]
    (query,) = read_queries(tmp_path / "queries.jsonl", tmp_path, names)
    assert (query.text, query.relevant) == ("second\nthird", {"p-a": 1.0})
    assert (tmp_path / "unanswerable.jsonl").read_text() == '{"query": "no?"}\n'
