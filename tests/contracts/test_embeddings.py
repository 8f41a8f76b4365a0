"""What every embedder promises, on each variant."""

import numpy as np
import pytest

from shared.embeddings import Embedder, open_embedder
from shared.embeddings.onnx import BATCH_TEXTS, BATCH_TOKENS, length_sorted_batches
from shared.errors import ConfigurationError


@pytest.fixture(scope="module", params=["support:", "minilm:", "hashing:"])
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return open_embedder(request.param)


def test_each_text_becomes_a_unit_vector(embedder: Embedder) -> None:
    vectors = embedder.embed(["A refund takes five days.", "", "refund " * 700])
    assert vectors.shape == (3, embedder.dimensions) == (3, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 384)


def test_a_text_has_nearly_the_same_vector_in_any_company(embedder: Embedder) -> None:
    texts = ["short", "a somewhat longer text about refunds", "word " * 60, "x"] * 6
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts[:4]])
    np.testing.assert_allclose((together[:4] * alone).sum(axis=1), 1.0, atol=5e-2)


def test_like_texts_are_nearer_than_unlike_ones(embedder: Embedder) -> None:
    refund, refunds, parcel = embedder.embed(
        ["how do I get a refund", "getting refunds", "the parcel is late"]
    )
    assert refund @ refunds > refund @ parcel


def test_tokens_are_counted_without_a_cut(embedder: Embedder) -> None:
    assert embedder.count_tokens("") == 0
    assert embedder.count_tokens("word " * 1000) == 1000


def test_batches_hold_every_text_once_and_are_bounded() -> None:
    lengths = [500, 3, 90, 512, 7, 7, 40] * 20 + [5000]
    batches = list(length_sorted_batches(lengths))
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= BATCH_TEXTS
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= BATCH_TOKENS


@pytest.mark.parametrize("url", ["word2vec:", "onnx:/nowhere"])
def test_an_unusable_url_says_what_is_wrong(url: str) -> None:
    with pytest.raises(ConfigurationError, match="EMBEDDER_URL"):
        open_embedder(url)
