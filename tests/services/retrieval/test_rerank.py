"""The shipped cross-encoder, and what is said when there is none or a broken one."""

from pathlib import Path

import pytest

from services.retrieval.rerank import CrossEncoder, open_reranker
from services.retrieval.settings import RetrievalSettings
from shared.errors import ConfigurationError

QUESTION = "Outlook cannot connect to my mailbox and asks for the password again and again"
RIGHT = "Outlook repeatedly prompts for credentials\nCause\nThe saved password is out of date."
WRONG = "Print a worksheet on one page\nExcel\nSet the scaling in the page layout."


@pytest.fixture(scope="module")
def shipped() -> CrossEncoder:
    opened = open_reranker(RetrievalSettings().reranker_dir)
    assert opened is not None
    return opened


def test_the_passage_that_fits_scores_higher(shipped: CrossEncoder) -> None:
    right, wrong = shipped.scores([(QUESTION, RIGHT), (QUESTION, WRONG)])
    assert right > wrong + 1


def test_more_pairs_than_one_batch_keep_their_order(shipped: CrossEncoder) -> None:
    pairs = [(QUESTION, RIGHT if number % 2 else WRONG) for number in range(19)]
    scores = shipped.scores(pairs)
    assert len(scores) == 19
    assert min(scores[1::2]) > max(scores[::2])


def test_nothing_to_score_and_megabytes_to_score_are_both_fine(shipped: CrossEncoder) -> None:
    assert shipped.scores([]) == []
    assert len(shipped.scores([("", ""), (QUESTION * 1000, RIGHT * 20_000)])) == 2


def test_it_is_small_enough_for_the_repository() -> None:
    folder = RetrievalSettings().reranker_dir
    assert folder is not None
    assert (folder / "model.onnx").stat().st_size <= 30e6


def test_no_folder_means_no_re_ranker_and_a_broken_model_is_an_error(tmp_path: Path) -> None:
    assert open_reranker(None) is None
    assert open_reranker(tmp_path) is None
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ConfigurationError, match=r"model\.onnx"):
        open_reranker(tmp_path)
