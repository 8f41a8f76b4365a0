"""The measures by hand, and the whole report on a tiny folder."""

import json
from pathlib import Path

import pytest

from services.retrieval.evaluate import VARIANTS, as_table, evaluate, measures
from shared.embeddings.hashing import HashingEmbedder


def test_measures_are_those_of_the_textbook() -> None:
    assert measures(["x", "a"], {"a": 1.0}) == pytest.approx(
        {"r@1": 0.0, "r@5": 1.0, "mrr@10": 0.5, "ndcg@10": 0.6309}, abs=1e-4
    )
    assert measures([], {"a": 1.0})["ndcg@10"] == 0.0
    assert measures(["a", "b"], {"a": 1.0, "b": 1.0})["ndcg@10"] == 1.0


def write_folder(folder: Path) -> tuple[Path, Path]:
    kb = folder / "kb"
    kb.mkdir()
    (kb / "refunds.md").write_text("---\ntitle: Refunds\n---\n# Refunds\n\nMoney comes back.\n")
    (kb / "parcels.md").write_text("# Parcels\n\nTrack a parcel by number.\n")
    queries = folder / "queries.jsonl"
    queries.write_text('{"query": "money back", "doc": "refunds"}\n')
    return kb, queries


def test_the_report_has_the_promised_form(tmp_path: Path) -> None:
    kb, queries = write_folder(tmp_path)
    report = evaluate(kb, queries, HashingEmbedder(), None, tmp_path / "cache")
    assert (report["queries"], report["documents"], report["chunks"]) == (1, 2, 2)
    variants = report["variants"]
    assert isinstance(variants, dict)
    assert tuple(variants) == VARIANTS
    for row in variants.values():
        assert row.keys() == {"r@1", "r@5", "mrr@10", "ndcg@10", "p50_ms", "p95_ms"}
        assert row["r@1"] == 1.0
    json.dumps(report)
    assert "hybrid_rerank" in as_table(report)


def test_a_beir_folder_is_read_as_well(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "1", "title": "Refunds", "text": "Money comes back."}\n'
        '{"_id": "2", "title": "Parcels", "text": "Track them."}\n'
    )
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "money back"}\n')
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\nq\t2\t0\n")
    report = evaluate(
        tmp_path, tmp_path / "queries.jsonl", HashingEmbedder(), None, tmp_path / "cache"
    )
    assert report["documents"] == 2


def test_nothing_to_measure_is_said(tmp_path: Path) -> None:
    (tmp_path / "queries.jsonl").write_text("")
    with pytest.raises(ValueError, match="no documents"):
        evaluate(tmp_path, tmp_path / "queries.jsonl", HashingEmbedder(), None, tmp_path)
