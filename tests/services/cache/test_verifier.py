"""The second check, by rules and bounded."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.cache.pairs import read
from services.cache.settings import CacheSettings
from services.cache.verifier import BoundedVerifier, RulesVerifier, Verifier, open_verifier
from shared.errors import ConfigurationError, Overloaded


def test_without_a_model_the_rules_decide(tmp_path: Path) -> None:
    verifier = open_verifier(tmp_path)
    assert isinstance(verifier, RulesVerifier)
    asked = "How do I pause my membership?"
    found = verifier.probabilities(
        [
            (asked, "how to pause my subscription"),
            (asked, "How do I cancel my subscription?"),
        ]
    )
    assert found == [1.0, 0.0]


def test_a_broken_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match=r"model\.onnx"):
        open_verifier(tmp_path)


class Slow:
    """Takes its time."""

    def probabilities(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        import time

        time.sleep(0.05)
        return [1.0] * len(pairs)


async def test_more_questions_than_the_queue_holds_are_refused() -> None:
    import asyncio

    verifier = BoundedVerifier(Slow(), timeout_s=5, queue=1)
    first = asyncio.create_task(verifier.probabilities("a", ["b"]))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await verifier.probabilities("a", ["c"])
    assert await first == [1.0]
    verifier.close()


@pytest.fixture(scope="module")
def shipped() -> Verifier:
    folder = CacheSettings().model_dir
    assert folder is not None and (folder / "model.onnx").is_file()
    return open_verifier(folder)


PLAIN = ("How long does a pause last?", "What is the longest a pause can last?")


def test_the_shipped_model_does_not_care_which_question_came_first(shipped: Verifier) -> None:
    there = shipped.probabilities([PLAIN])
    assert there == shipped.probabilities([PLAIN[::-1]])
    assert 0 < there[0] < 1


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
    assert shipped.probabilities([(asked, remembered)]) == [0.0]


def test_the_shipped_model_lets_no_near_miss_of_the_shop_pass(shipped: Verifier) -> None:
    shop, least = Path("infra/sample_shop"), CacheSettings().min_probability
    for name in ("pairs_near_miss", "pairs_heldout_near_miss"):
        pairs = [(row.text_b, row.text_a) for row in read(shop / f"{name}.jsonl")]
        chances = shipped.probabilities(pairs)
        assert [p for p, c in zip(pairs, chances, strict=True) if c >= least] == []


def test_a_trivial_rewording_is_sure_enough_to_be_reused(shipped: Verifier) -> None:
    pair = ("how can I descale the Morrow Mini", "How do I descale my Morrow Mini?")
    assert shipped.probabilities([pair])[0] >= CacheSettings().min_probability
