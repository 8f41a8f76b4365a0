"""What people and documents make the cache forget, and what it learns from it."""

from services.cache.deps import Deps
from services.cache.evictions import (
    erase,
    forget_document,
    heed_feedback,
    take_dispute,
)
from services.cache.handlers import lookup, remember
from shared.clock import ManualClock
from shared.events import (
    AnswerDisputed,
    Answered,
    ConversationErased,
    FeedbackGiven,
    KnowledgeChanged,
    Missed,
)
from tests.services.cache.conftest import answered, asked

QUESTION = "how do I clean the grinder"
REWORDED = "how do I clean my grinder"


async def taught(deps: Deps, clock: ManualClock, text: str = QUESTION) -> None:
    await remember(await answered(asked(text, clock, turn="teacher"), deps), deps)


def feedback(turn: str, rating: str = "down", **more: str) -> FeedbackGiven:
    fields = {"tenant_id": "shop", "conversation_id": f"c-{turn}", "turn_id": turn, **more}
    return FeedbackGiven(**fields, rating=rating, given_unix_ms=1)  # type: ignore[arg-type]


def dispute(turn: str, **more: str) -> AnswerDisputed:
    fields = {"tenant_id": "shop", "conversation_id": f"c-{turn}", "turn_id": turn, **more}
    return AnswerDisputed(**fields, disputed_by="ada@shop.example", disputed_unix_ms=1)


async def asks(text: str, deps: Deps, clock: ManualClock, turn: str) -> Answered | Missed:
    (event,) = await lookup(asked(text, clock, turn=turn), deps)
    return event


async def test_a_thumb_down_on_a_hit_takes_its_entry_along(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    assert isinstance(await asks(REWORDED, deps, clock, "hit"), Answered)
    await heed_feedback(feedback("hit"), deps)
    assert await deps.store.size("shop") == 0


async def test_a_thumb_down_on_the_turn_that_made_it_does_too(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    await heed_feedback(feedback("teacher"), deps)
    assert await deps.store.size("shop") == 0


async def test_a_thumb_up_or_one_of_another_tenant_or_turn_evicts_nothing(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    await heed_feedback(feedback("teacher", "up"), deps)
    await heed_feedback(feedback("teacher", tenant_id="other"), deps)
    await heed_feedback(feedback("unknown"), deps)
    assert await deps.store.size("shop") == 1


async def test_a_disputed_pair_never_meets_again(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    assert isinstance(await asks(REWORDED, deps, clock, "hit"), Answered)
    await take_dispute(dispute("hit"), deps)
    assert await deps.store.size("shop") == 0
    await taught(deps, clock)  # the same question is answered and remembered again
    assert isinstance(await asks(REWORDED, deps, clock, "again"), Missed)
    assert isinstance(await asks(QUESTION, deps, clock, "same"), Answered)


async def test_a_dispute_tightens_the_neighbourhood_as_well(deps: Deps, clock: ManualClock) -> None:
    near = "how do I clean the grinder now"
    far = "where is my parcel"
    for text in (QUESTION, near, far):
        await taught(deps, clock, text)
    hit = await asks(REWORDED, deps, clock, "hit")
    assert isinstance(hit, Answered) and hit.similarity is not None
    await take_dispute(dispute("hit"), deps)
    bounds = {k.entry.question: k.entry.min_similarity for k in await deps.store.kept("shop", 9)}
    assert bounds[far] == 0
    left = next(question for question in (QUESTION, near) if question in bounds)
    assert bounds[left] > hit.similarity
    assert isinstance(await asks(REWORDED, deps, clock, "again"), Missed)


async def test_a_second_dispute_asks_for_still_more(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    deps.verifier.about[QUESTION] = 0.9  # type: ignore[attr-defined]
    await asks(REWORDED, deps, clock, "hit")
    await take_dispute(dispute("hit"), deps)
    await taught(deps, clock)
    (kept,) = await deps.store.kept("shop", 5)
    assert abs(kept.entry.min_probability - 0.95) < 1e-9


async def test_a_dispute_of_a_literal_hit_forgets_the_answer_and_leaves_the_bounds(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    await asks(QUESTION, deps, clock, "hit")
    await take_dispute(dispute("hit"), deps)
    assert await deps.store.size("shop") == 0
    assert await deps.lessons.all("shop", "en") == []


async def test_lessons_of_one_tenant_or_locale_bind_no_other(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    await asks(REWORDED, deps, clock, "hit")
    await take_dispute(dispute("hit"), deps)
    assert len(await deps.lessons.all("shop", "en")) == 1
    assert await deps.lessons.all("other", "en") == await deps.lessons.all("shop", "de") == []


async def test_a_dispute_of_a_turn_without_the_cache_changes_nothing(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    await take_dispute(dispute("unknown"), deps)
    assert await deps.store.size("shop") == 1


def changed(version: str, state: str = "indexed") -> KnowledgeChanged:
    return KnowledgeChanged(
        tenant_id="shop",
        document_id="doc",
        version=version,
        state=state,  # type: ignore[arg-type]
        changed_unix_ms=1,
    )


async def test_only_a_real_change_of_a_document_evicts(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    await forget_document(changed("1"), deps)
    await forget_document(changed("2", "rejected"), deps)
    assert await deps.store.size("shop") == 1
    await forget_document(changed("2"), deps)
    assert await deps.store.size("shop") == 0


async def test_a_removed_document_evicts_whatever_version_was_cited(
    deps: Deps, clock: ManualClock
) -> None:
    await taught(deps, clock)
    await forget_document(changed("1", "removed"), deps)
    assert await deps.store.size("shop") == 0


async def test_an_erased_conversation_leaves_no_trace(deps: Deps, clock: ManualClock) -> None:
    await taught(deps, clock)
    event = ConversationErased(tenant_id="shop", conversation_id="c-teacher", erased_unix_ms=1)
    await erase(event, deps)
    assert await deps.traces.of(event, "teacher") is None
