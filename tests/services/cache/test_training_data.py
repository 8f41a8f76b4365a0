"""The parts of training that need no torch: cleaning, holding out, swapping words."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cache.pairs import Pair, read
from services.cache.training import groups, heldout, split, strangers, swaps
from services.cache.training.heldout import HeldOut
from services.cache.training.split import Components

questions = st.integers(0, 40).map(lambda number: f"question {number}")
some_pairs = st.lists(st.builds(Pair, questions, questions, st.integers(0, 1)), max_size=60)


@given(some_pairs, st.integers(0, 30), st.integers(0, 20), st.integers(0, 5))
def test_no_question_is_trained_on_and_held_apart(
    pairs: list[Pair], apart: int, at_random: int, seed: int
) -> None:
    parts = split.split(split.clean(pairs), apart, at_random, seed)
    trained = {text for pair in parts.train + parts.random for text in (pair.text_a, pair.text_b)}
    held = {text for pair in parts.apart for text in (pair.text_a, pair.text_b)}
    assert not trained & held


@given(some_pairs, st.integers(0, 30), st.integers(0, 20), st.integers(0, 5))
def test_every_pair_is_in_one_part(
    pairs: list[Pair], apart: int, at_random: int, seed: int
) -> None:
    cleaned = split.clean(pairs)
    parts = split.split(cleaned, apart, at_random, seed)
    together = parts.train + parts.apart + parts.random
    assert len(together) == len(cleaned) and set(together) == set(cleaned)
    assert len(parts.apart) <= apart and len(parts.random) <= at_random


def test_a_split_is_the_same_each_time() -> None:
    pairs = [Pair(f"a{n}", f"b{n}", n % 2) for n in range(200)]
    assert split.split(pairs, 60, 30, 1) == split.split(pairs, 60, 30, 1)
    assert split.split(pairs, 60, 30, 1) != split.split(pairs, 60, 30, 2)


def test_questions_that_pairs_connect_are_one_component() -> None:
    found = Components([Pair("a", "b", 1), Pair("B ", "c", 0), Pair("x", "y", 1)])
    assert found.of("a") == found.of("c") != found.of("x")


def test_cleaning_drops_repeats_contradictions_and_a_text_paired_with_itself() -> None:
    first = Pair("How?", "Why?", 0)
    kept = split.clean(
        [first, Pair("why?", "how? ", 0), Pair("a", "b", 1), Pair("b", "a", 0), Pair("c", "C", 1)]
    )
    assert kept == [first]


def test_a_swapped_name_makes_the_pair_negative_and_swapped_twice_leaves_it() -> None:
    pair = Pair("Do you ship to Spain?", "Is delivery to Spain possible?", 1)
    made = swaps.more([pair] * 20, [("Spain", "Italy")], 1000, seed=1)
    assert {m.label for m in made} == {0, 1}
    for found in made:
        same = ("Spain" in found.text_a) == ("Spain" in found.text_b)
        assert same == bool(found.label)
        assert found != pair


def test_a_swapped_number_makes_the_pair_negative() -> None:
    made = swaps.more([Pair("Pause 8 weeks?", "A break of 8 weeks?", 1)], [], 10, seed=1)
    assert made and {m.label for m in made} <= {0, 1}
    assert all(("8" in m.text_a) == ("8" in m.text_b) for m in made if m.label)


def test_only_whole_words_of_positive_pairs_are_swapped() -> None:
    groups = [("One", "Mini")]
    assert swaps.more([Pair("Which one?", "What one is it?", 1)], groups, 10, seed=1) == []
    assert swaps.more([Pair("The One", "My One", 0)], groups, 10, seed=1) == []
    assert swaps.replaced("Start it, restart it", "start", "stop") == "Stop it, restart it"


def test_a_group_of_one_word_is_refused(tmp_path: Path) -> None:
    (tmp_path / "swaps.txt").write_text("# names\nSolo, Duo\n\nOne\n", "utf-8")
    with pytest.raises(ValueError, match=r"swaps\.txt, line 4: 'One' has no other"):
        swaps.read(tmp_path / "swaps.txt")


def test_no_pair_of_the_shop_is_trained_on_and_measured() -> None:
    folder = Path("infra/sample_shop")

    def texts(name: str) -> set[frozenset[str]]:
        return {
            frozenset((pair.text_a.lower(), pair.text_b.lower()))
            for pair in read(folder / f"pairs_{name}.jsonl")
        }

    for name in ("near_miss", "rewordings", "heldout_near_miss", "heldout_rewordings"):
        assert len(texts(name)) >= 200
        assert not texts(name) & texts("train")


@given(some_pairs, some_pairs)
def test_what_an_earlier_run_held_out_is_not_trained_on_by_the_next(
    pairs: list[Pair], held: list[Pair]
) -> None:
    apart, at_random = held[: len(held) // 2], held[len(held) // 2 :]
    kept = HeldOut.of(apart, at_random).without(pairs)
    sides = {frozenset((pair.text_a, pair.text_b)) for pair in kept}
    assert not sides & {frozenset((pair.text_a, pair.text_b)) for pair in at_random}
    assert not {t for side in sides for t in side} & {
        text for pair in apart for text in (pair.text_a, pair.text_b)
    }


@given(some_pairs, st.integers(0, 30), st.integers(0, 20))
def test_the_next_run_holds_out_the_same_pairs(pairs: list[Pair], apart: int, drawn: int) -> None:
    cleaned = split.clean(pairs)
    parts = split.split(cleaned, apart, drawn, seed=1)
    held = HeldOut.of(parts.apart, parts.random)
    assert [set(part) for part in held.among(cleaned)] == [set(parts.apart), set(parts.random)]
    assert set(held.without(cleaned)) == set(parts.train)


def test_held_out_digests_are_read_as_written_and_a_strange_line_is_named(tmp_path: Path) -> None:
    held = HeldOut.of([Pair("a", "b", 1)], [Pair("c", "d", 0)])
    held.write(tmp_path / "held_out.txt")
    assert HeldOut.read(tmp_path / "held_out.txt") == held == HeldOut() | held
    (tmp_path / "held_out.txt").write_text("apart 00\nelse 00\n")
    with pytest.raises(ValueError, match=r"held_out\.txt, line 2"):
        HeldOut.read(tmp_path / "held_out.txt")


def test_the_shipped_classifier_says_what_it_never_saw() -> None:
    held = HeldOut.read(Path("services/cache/model") / heldout.FILE)
    assert len(held.random) == 2967 and len(held.apart) > 5000


GROUPS = """# a comment
# family: pause or cancel
pause my plan
take a break

cancel my plan

# family: hours
opening hours?
"""


def test_questions_of_one_block_are_pairs_and_blocks_of_one_family_are_not(tmp_path: Path) -> None:
    path = tmp_path / "groups.txt"
    path.write_text(GROUPS)
    families = groups.read(path)
    assert families == [(("pause my plan", "take a break"), ("cancel my plan",)),
                        (("opening hours?",),)]  # fmt: skip
    same, *apart = groups.pairs(families, 2.0, seed=0)
    assert same == Pair("pause my plan", "take a break", 1)
    assert set(apart) == {Pair(text, "cancel my plan", 0) for text in families[0][0]}


@pytest.mark.parametrize(
    ("content", "line"), [("a question\n", 1), ("# family: x\nsame\n\nsame\n", 4)]
)
def test_a_question_out_of_place_is_named_by_its_line(
    tmp_path: Path, content: str, line: int
) -> None:
    path = tmp_path / "groups.txt"
    path.write_text(content)
    with pytest.raises(ValueError, match=f"line {line}"):
        groups.read(path)


def test_the_shipped_questions_can_be_read_and_hold_nothing_of_the_tests() -> None:
    families = groups.read(Path("services/cache/training/questions.txt"))
    assert len(families) > 40 and all(len(family) > 1 for family in families)
    texts = {text.lower() for family in families for block in family for text in block}
    for name in ("near_miss", "rewordings", "heldout_near_miss", "heldout_rewordings"):
        for pair in read(Path(f"infra/sample_shop/pairs_{name}.jsonl")):
            assert not {pair.text_a.lower(), pair.text_b.lower()} & texts


def test_strangers_are_near_messages_of_another_intent(tmp_path: Path) -> None:
    rows = [("refund please", "refund"), ("refund now", "refund"), ("my parcel is late", "parcel")]
    lines = [json.dumps({"text": text, "intent": intent}) for text, intent in rows]
    (tmp_path / "messages.jsonl").write_text("\n".join(lines), "utf-8")
    found = strangers.pairs([tmp_path / "messages.jsonl"], seed=1)
    intents = dict(rows)
    assert found and all(intents[p.text_a] != intents[p.text_b] and not p.label for p in found)
    assert {pair.text_a for pair in found} == set(intents)
