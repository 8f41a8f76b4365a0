"""Pairs get the cosine of their own two texts, in the order given."""

import pytest

from services.cache.likeness import compared
from shared.embeddings import open_embedder


def test_each_pair_gets_the_cosine_of_its_own_texts() -> None:
    embedder = open_embedder("hashing:")
    pairs = [
        ("pause my plan", "pause my plan"),
        ("pause my plan", "grind size for filter coffee"),
        ("can I pause my plan", "pause my plan"),
    ]
    found = compared(pairs, embedder)
    assert [(pair.asked, pair.remembered) for pair in found] == pairs
    same, other, nearly = (pair.cosine for pair in found)
    assert same == pytest.approx(1.0, abs=1e-5)
    assert other < nearly < same


def test_the_cosine_does_not_depend_on_which_was_asked() -> None:
    embedder = open_embedder("hashing:")
    there, back = compared([("a parcel", "my parcel"), ("my parcel", "a parcel")], embedder)
    assert there.cosine == pytest.approx(back.cosine)
