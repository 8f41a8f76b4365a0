"""The second check, by rules and bounded."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.cache.likeness import Likeness, compared
from services.cache.pairs import read
from services.cache.settings import CacheSettings
from services.cache.verifier import (
    BoundedVerifier,
    PairVerifier,
    RulesVerifier,
    Verifier,
    open_verifier,
)
from shared.embeddings import Embedder, open_embedder
from shared.errors import ConfigurationError, Overloaded


def test_without_a_model_the_rules_decide(tmp_path: Path) -> None:
    verifier = open_verifier(tmp_path)
    assert isinstance(verifier, RulesVerifier)
    asked = "How do I pause my membership?"
    found = verifier.probabilities(
        [
            Likeness(asked, "how to pause my subscription", 0.9),
            Likeness(asked, "How do I cancel my subscription?", 0.9),
        ]
    )
    assert found == [1.0, 0.0]


def test_a_broken_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match=r"model\.onnx"):
        open_verifier(tmp_path)


class Slow:
    """Takes its time."""

    def probabilities(self, pairs: Sequence[Likeness]) -> list[float]:
        import time

        time.sleep(0.05)
        return [1.0] * len(pairs)


async def test_more_questions_than_the_queue_holds_are_refused() -> None:
    import asyncio

    verifier = BoundedVerifier(Slow(), timeout_s=5, queue=1)
    first = asyncio.create_task(verifier.probabilities([Likeness("a", "b", 0.9)]))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await verifier.probabilities([Likeness("a", "c", 0.9)])
    assert await first == [1.0]
    verifier.close()


@pytest.fixture(scope="module")
def shipped() -> Verifier:
    folder = CacheSettings().model_dir
    assert folder is not None and (folder / "model.onnx").is_file()
    return open_verifier(folder)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return open_embedder("support:")


PLAIN = ("How long does a pause last?", "What is the longest a pause can last?")


def test_the_shipped_model_does_not_care_which_question_came_first(shipped: Verifier) -> None:
    there = shipped.probabilities([Likeness(*PLAIN, 0.8)])
    assert there == shipped.probabilities([Likeness(*PLAIN[::-1], 0.8)])
    assert 0 < there[0] < 1


def test_a_nearer_question_is_likelier_the_same(shipped: Verifier) -> None:
    far, near = shipped.probabilities([Likeness(*PLAIN, 0.4), Likeness(*PLAIN, 0.9)])
    assert far < near


@pytest.mark.parametrize(
    ("asked", "remembered"),
    [
        ("How do I cancel my order?", "How do I not cancel my order?"),
        ("Can I pause for 8 weeks?", "Can I pause for 16 weeks?"),
        ("How do I go from Solo to Duo?", "How do I go from Duo to Solo?"),
    ],
)
def test_a_hard_rule_overrules_the_shipped_model(
    shipped: Verifier, asked: str, remembered: str
) -> None:
    assert shipped.probabilities([Likeness(asked, remembered, 0.99)]) == [0.0]


def test_the_shipped_model_lets_no_near_miss_of_the_shop_pass(
    shipped: Verifier, embedder: Embedder
) -> None:
    shop, least = Path("infra/sample_shop"), CacheSettings().min_probability
    for name in ("pairs_near_miss", "pairs_heldout_near_miss"):
        rows = read(shop / f"{name}.jsonl")
        pairs = compared([(row.text_b, row.text_a) for row in rows], embedder)
        chances = shipped.probabilities(pairs)
        assert [p for p, c in zip(pairs, chances, strict=True) if c >= least] == []


def test_a_trivial_rewording_is_sure_enough_to_be_reused(
    shipped: Verifier, embedder: Embedder
) -> None:
    pair = ("how can I descale the Morrow Mini", "How do I descale my Morrow Mini?")
    assert shipped.probabilities(compared([pair], embedder))[0] >= CacheSettings().min_probability


@pytest.mark.parametrize("count", [0, 1, 2, 3, 40])
def test_what_two_threads_read_comes_back_in_the_order_given(count: int) -> None:
    folder = CacheSettings().model_dir
    assert folder is not None
    same = Likeness("How can I pause my subscription, please?", "How do I pause my plan?", 0.9)
    other = Likeness("Where is my parcel?", "How do I pause my plan?", 0.2)
    pairs = [same if number % 3 else other for number in range(count)]
    found = PairVerifier(folder, threads=2).evidence(pairs)
    assert [value > 0 for value in found] == [pair is same for pair in pairs]
