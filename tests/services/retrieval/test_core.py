"""The pure decisions about a ranking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.core import (
    Calibration,
    best_per_document,
    clear_winner,
    reordered,
    signals_of,
    without_near_duplicates,
)
from shared.vectors import Chunk, Hit, Vectors
from shared.vectors.fusion import LEXICAL_HALF, fuse

COSINES = st.dictionaries(st.text(max_size=3), st.floats(-1, 1), max_size=8)
BM25 = st.dictionaries(st.text(max_size=3), st.floats(0, 500), max_size=8)


def hit(document: str, score: float, text: str = "", vector: Vectors | None = None) -> Hit:
    chunk = Chunk(f"{document}#{score}", document, "1", "shop", text or f"{document} {score}", "T")
    return Hit(chunk, score, score, 10 * score, vector)


def test_the_best_chunk_stands_for_its_document() -> None:
    ranked = best_per_document([hit("a", 0.5), hit("b", 0.9), hit("a", 0.8)])
    assert [(h.chunk.document_id, h.score) for h in ranked] == [("b", 0.9), ("a", 0.8)]


def test_a_second_good_chunk_decides_between_equals() -> None:
    ranked = best_per_document([hit("a", 0.8), hit("b", 0.8), hit("b", 0.7)])
    assert [h.chunk.document_id for h in ranked] == ["b", "a"]


def test_the_same_words_and_nearly_the_same_vector_are_shown_once() -> None:
    one, other = np.eye(2, dtype=np.float32)
    near = np.array([0.9999, 0.0141], np.float32)
    hits = [hit("a", 0.9, "Same text", one), hit("b", 0.8, "same  TEXT", other),
            hit("c", 0.7, "almost", near), hit("d", 0.6, "else", other)]  # fmt: skip
    assert [h.chunk.document_id for h in without_near_duplicates(hits)] == ["a", "d"]


def test_the_re_ranker_is_skipped_only_behind_a_clear_lead() -> None:
    assert clear_winner([0.9, 0.5], 0.2)
    assert not clear_winner([0.9, 0.8], 0.2)
    assert clear_winner([0.9], 0.2)
    assert clear_winner([], 0.2)


def test_the_re_ranker_moves_a_passage_it_is_sure_of_and_leaves_the_tail() -> None:
    assert reordered([0.8, 0.75, 0.7], [-3.0, 4.0], 0.3) == [1, 0, 2]
    assert reordered([0.8, 0.75], [], 0.3) == [0, 1]


@given(st.lists(st.floats(0, 1), max_size=8), st.lists(st.floats(-40, 40), max_size=8))
def test_reordering_loses_nobody(scores: list[float], logits: list[float]) -> None:
    order = reordered(scores, logits[: len(scores)], 0.3)
    assert sorted(order) == list(range(len(scores)))


@given(COSINES, BM25, st.floats(0, 1))
def test_fused_scores_lie_between_nothing_and_certainty(
    dense: dict[str, float], lexical: dict[str, float], weight: float
) -> None:
    fused = fuse(dense, lexical, weight)
    assert fused.keys() == dense.keys() | lexical.keys()
    assert all(0 <= score <= 1 for score in fused.values())


def test_one_leg_alone_keeps_its_order() -> None:
    assert fuse({}, {"a": LEXICAL_HALF, "b": 0.0}, 0.9) == {"a": 0.5, "b": 0.0}
    assert fuse({"a": 0.7}, {}, 0.4) == {"a": 0.7}


def test_more_evidence_means_more_confidence() -> None:
    calibration = Calibration(-2.0, {"dense": 4.0})
    weak, strong = (calibration.probability({"dense": cosine}) for cosine in (0.1, 0.9))
    assert 0 < weak < strong < 1
    assert calibration.probability({}) == pytest.approx(0.119, abs=1e-3)


def test_no_hits_give_no_signals() -> None:
    assert signals_of([], [], 3) == {}


def test_signals_tell_the_best_and_the_usual_of_both_legs() -> None:
    hits = [hit(f"d{number}", score) for number, score in enumerate((0.8, 0.6, 0.4))]
    found = signals_of(hits, [0.8, 0.6, 0.4], question_words=2)
    assert found == pytest.approx(
        {"dense": 0.8, "dense_usual": 0.6, "lexical": 4.0, "lexical_usual": 3.0, "lead": 0.0}
    )


def test_the_lead_is_over_the_crowd_not_over_the_next() -> None:
    scores = [0.9, 0.85, 0.85, 0.85, 0.85, 0.5, 0.3]
    hits = [hit(f"d{number}", score) for number, score in enumerate(scores)]
    assert signals_of(hits, scores, 1)["lead"] == pytest.approx(0.5)
