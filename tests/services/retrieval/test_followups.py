"""A follow-up is searched with what it leans on; every other question stays as it is."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.retrieval.adapters import BoundedSearch
from services.retrieval.followups import MAX_CARRIED_WORDS, leans_on_earlier, resolved
from services.retrieval.search import Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings.hashing import HashingEmbedder
from shared.events import Exchange, Routed
from shared.vectors import Chunk, VectorStore, open_vectors

EMBEDDER = HashingEmbedder()
DELIVERY = "How long does express delivery take?"


@pytest.mark.parametrize(
    ("question", "earlier", "expected"),
    [
        ("And for Switzerland?", [DELIVERY], "And for Switzerland? (express delivery)"),
        ("How much is it?", [DELIVERY], "How much is it? (express delivery)"),
        ("the Mini", ["How do I descale the One?"], "the Mini (descale One)"),
        ("Why?", ["My parcel is late.", "ok"], "Why? (parcel late)"),
        # what the question before leaned on is meant, too, and comes after its own words
        ("Is that free?", [DELIVERY, "and to Norway?"], "Is that free? (Norway express delivery)"),
    ],
)
def test_a_follow_up_gets_the_words_it_leans_on(
    question: str, earlier: list[str], expected: str
) -> None:
    made = resolved(question, earlier)
    assert made.startswith(question)
    wanted = expected.removeprefix(question).strip(" ()").split()
    assert made.removeprefix(question).strip(" ()").split() == wanted


@pytest.mark.parametrize(
    "question",
    [
        "How do I return a grinder that I bought last week?",
        "What is WACC?",
        "Is it possible to change the delivery address?",
        "Which machines can steam milk automatically?",
        "Is there a student discount for members?",
    ],
)
def test_a_question_that_stands_by_itself_stays_as_it_is(question: str) -> None:
    assert not leans_on_earlier(question)
    assert resolved(question, [DELIVERY]) == question


def test_a_new_subject_is_not_dragged_along() -> None:
    earlier = [DELIVERY, "How do I reset the machine's password?"]
    assert "delivery" not in resolved("Where do I find it?", earlier)
    assert "password" in resolved("Where do I find it?", earlier)


def test_other_languages_stay_as_they_are() -> None:
    assert resolved("Und nach Norwegen?", [DELIVERY], "de-AT") == "Und nach Norwegen?"
    assert resolved("And to Norway?", [DELIVERY], "en_GB") != "And to Norway?"


@given(st.text(max_size=200), st.lists(st.text(max_size=200), max_size=9))
def test_the_question_itself_is_never_touched(question: str, earlier: list[str]) -> None:
    made = resolved(question, earlier)
    assert made.startswith(question)
    assert len(made.removeprefix(question).split()) <= MAX_CARRIED_WORDS
    assert resolved(question, []) == question


@pytest.fixture
def store() -> Iterator[VectorStore]:
    texts = {
        "delivery": "Express delivery takes one day.",
        "delivery-countries": "Express delivery to Switzerland takes three days.",
        "repairs-countries": "Repairs are made in Switzerland, too.",
    }
    opened = open_vectors("edge:")
    for name, text in texts.items():
        chunk = Chunk(f"{name}#0", name, "1", "shop", text, name.title())
        opened.replace_document("shop", name, "1", [chunk], EMBEDDER.embed([text]))
    yield opened
    opened.close()


def routed(text: str, *earlier: str, embedded: bool = True) -> Routed:
    return Routed(
        tenant_id="shop",
        conversation_id="c",
        turn_id="t",
        deadline_unix_ms=0,
        text=text,
        fingerprint="",
        context=tuple(Exchange(question=question, answer="…") for question in earlier),
        embedding=EMBEDDER.embed([text])[0].tobytes() if embedded else None,
        route="knowledge_base",
        intent="x",
        intent_confidence=1.0,
    )


@pytest.mark.parametrize("lexical_only", [True, False])
@pytest.mark.parametrize("embedded", [True, False])
async def test_the_passage_for_a_follow_up_is_found(
    store: VectorStore, lexical_only: bool, embedded: bool
) -> None:
    search = BoundedSearch(Searcher(EMBEDDER, store), store, EMBEDDER, RetrievalSettings())
    try:
        event = routed("And for Switzerland?", DELIVERY, embedded=embedded)
        found = await search.search(event, lexical_only=lexical_only, rerank=False)
        assert found.passages[0].document_id == "delivery-countries"
        assert found.resolved.startswith("And for Switzerland? (")
        whole = routed("How are repairs made in Switzerland?", DELIVERY)
        found = await search.search(whole, lexical_only=lexical_only, rerank=False)
        assert found.passages[0].document_id == "repairs-countries"
        assert not found.resolved
    finally:
        search.close()
