"""The second check, by rules and bounded."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from services.cache.verifier import BoundedVerifier, RulesVerifier, open_verifier
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
