"""Folders and query files are read, and what is wrong with them is named by line."""

from pathlib import Path

import pytest

from services.retrieval.datasets import read_documents, read_queries
from shared.embeddings.hashing import HashingEmbedder

COUNTER = HashingEmbedder()


def queries_of(folder: Path, *lines: str, known: tuple[str, ...] = ("refunds",)) -> list[str]:
    path = folder / "queries.jsonl"
    path.write_text("\n".join(lines))
    return [query.text for query in read_queries(path, folder, known)]


def test_every_kind_of_file_is_read_and_called_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "refunds.md").write_text("---\ntitle: Refunds\n---\nMoney comes back.\n")
    (tmp_path / "page.html").write_text("<h1>Parcels</h1><p>Track them.</p>")
    (tmp_path / "faq.csv").write_text("question,answer\nWhen?,Soon.\n")
    found = {document.id: document.pieces for document in read_documents(tmp_path, COUNTER)}
    assert found.keys() == {"refunds", "page", "faq"}
    assert found["refunds"][0].title == "Refunds"
    assert "Track them." in found["page"][0].text


def test_files_of_one_name_are_called_by_their_paths(tmp_path: Path) -> None:
    for folder in ("eu", "us"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "refunds.md").write_text(f"# Refunds {folder}\n\nMoney.\n")
    (tmp_path / "us" / "gifts.md").write_text("# Gifts\n\nWrapped.\n")
    names = [document.id for document in read_documents(tmp_path, COUNTER)]
    assert names == ["eu/refunds", "gifts", "us/refunds"]


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nonsense")
    (tmp_path / "refunds.md").write_text("# Refunds\n\nMoney.\n")
    assert [document.id for document in read_documents(tmp_path, COUNTER)] == ["refunds"]
    assert "broken.pdf" in capsys.readouterr().err


def test_a_folder_without_documents_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no documents in .*\.md.*corpus\.jsonl"):
        read_documents(tmp_path, COUNTER)


def test_a_beir_document_without_words_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text('{"_id": 7, "title": "Only a title", "text": ""}\n')
    (document,) = read_documents(tmp_path, COUNTER)
    assert (document.id, document.pieces[0].text) == ("7", "Only a title")


def test_queries_may_name_one_answer_or_several(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"query": "a", "doc": "x"}\n\n{"query": "b", "docs": ["x", "y"]}\n')
    one, two = read_queries(path, tmp_path, ["x", "y"])
    assert (one.relevant, two.relevant) == ({"x": 1.0}, {"x": 1.0, "y": 1.0})


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2: expected an object"),
        ('{"doc": "refunds"}', 'line 2: "query" should be a text, is None'),
        ('{"query": "a"}', 'line 2: "doc" should be a text, is None'),
        ('{"query": " ", "doc": "refunds"}', 'line 2: "query" should be a text'),
        ('{"query": "a", "doc": ["refunds"]}', 'line 2: "doc" should be a text'),
        ('{"query": "a", "doc": "gone"}', "1 answers are not among the 1 documents, e.g. 'gone'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("[", r"\[")):
        queries_of(tmp_path, '{"query": "money", "doc": "refunds"}', line)


def test_a_file_without_queries_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no queries in"):
        queries_of(tmp_path, "", "")


def test_beir_judgements_are_checked_as_well(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    qrels = tmp_path / "qrels/test.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\nq\trefunds\tmuch\n")
    with pytest.raises(ValueError, match=r"test\.tsv line 2: expected query-id"):
        queries_of(tmp_path, '{"_id": "q", "text": "money"}')
    qrels.write_text("query-id\tcorpus-id\tscore\nq\trefunds\t2\nother\trefunds\t0\n")
    lines = ('{"_id": "q", "text": "money"}', '{"_id": "other", "text": "nobody judged it"}')
    assert queries_of(tmp_path, *lines) == ["money"]
