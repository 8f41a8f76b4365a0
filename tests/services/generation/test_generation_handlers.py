"""One answer from the tiers there are, on hand-built models."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from services.generation import core
from services.generation.handlers import Deps, generate
from services.generation.settings import GenerationSettings
from services.generation.tiers import Tier
from shared.boards import PolicyBoard
from shared.clock import ManualClock
from shared.errors import Unavailable
from shared.events import Drafted, Finding, Grounded, Passage, PolicyChanged
from shared.llm import Piece, Request
from shared.policy import Policy

GOOD = "You can return an item within 30 days [1]. Refunds take 5 days [1]."


@dataclass
class Model:
    """Says what it was told to, piece by piece; fails after `fails_after` pieces."""

    says: str = GOOD
    fails_after: int | None = None
    requests: list[Request] = field(default_factory=list)

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        self.requests.append(request)
        for number, start in enumerate(range(0, len(self.says), 7)):
            if number == self.fails_after:
                raise Unavailable("the model is away")
            yield Piece(self.says[start : start + 7])
        if self.fails_after is not None:
            raise Unavailable("the model is away")
        yield Piece("", input_tokens=800, output_tokens=200)

    async def ping(self, timeout_s: float = 1.0) -> bool:
        return True

    async def close(self) -> None:
        pass


PASSAGE = Passage(
    passage_id="p1",
    document_id="returns",
    document_version="v1",
    title="Returns",
    text="You can return an item within 30 days. Refunds take 5 days to arrive.",
    score=0.9,
)


def grounded(**more: Any) -> Grounded:
    given = {
        "deadline_unix_ms": 10_000,
        "text": "Can I return an item?",
        "fingerprint": "f",
        "route": "knowledge_base",
        "intent": "return",
        "intent_confidence": 0.8,
        "passages": (PASSAGE,),
        "answerable": 0.9,
        **more,
    }
    return Grounded(tenant_id="t", conversation_id="c", turn_id="1", **given)


@dataclass
class World:
    small: Model = field(default_factory=Model)
    large: Model = field(default_factory=Model)
    clock: ManualClock = field(default_factory=ManualClock)
    board: PolicyBoard = field(default_factory=PolicyBoard)

    def __post_init__(self) -> None:
        tiers = {
            name: Tier(name, model, 0.5, self.clock, failures_allowed=2, pause_s=10)
            for name, model in (("small", self.small), ("large", self.large))
        }
        settings = GenerationSettings()
        self.deps = Deps(settings, tiers, self.board, self.clock)  # type: ignore[arg-type]

    async def drafts(self, event: Grounded | None = None) -> Sequence[Drafted]:
        now_ms = self.clock.unix_ms()
        event = event or grounded(deadline_unix_ms=now_ms + 10_000)
        return [draft async for draft in generate(event, self.deps)]

    def work_by(self, policy: Policy) -> None:
        self.board.post(
            PolicyChanged(tenant_id="-", policy=policy, reason="test", changed_unix_ms=1)
        )


@pytest.fixture
def world() -> World:
    return World()


async def test_sentences_come_one_by_one_and_the_last_draft_is_the_whole(world: World) -> None:
    *parts, whole = await world.drafts()
    assert [part.text for part in parts] == ["You can return an item within 30 days."]
    assert whole.last and not any(part.last for part in parts)
    assert whole.text == "You can return an item within 30 days. Refunds take 5 days."
    assert (whole.tier, whole.cited, whole.question) == ("small", ("p1",), "Can I return an item?")
    assert [draft.part for draft in (*parts, whole)] == [0, 1]


async def test_the_whole_says_what_it_cost(world: World) -> None:
    *_, whole = await world.drafts()
    assert whole.cost_usd == pytest.approx(1000 * 0.5 / 1_000_000)


async def test_a_model_is_asked_within_its_bounds(world: World) -> None:
    await world.drafts(grounded(deadline_unix_ms=world.clock.unix_ms() + 3_000))
    [request] = world.small.requests
    assert (request.max_tokens, request.temperature) == (150, 0.3)
    assert request.timeout_s == pytest.approx(3.0)  # the turn's deadline, not the tier's six
    assert request.stop == core.STOP


async def test_the_large_tier_takes_over_where_the_small_one_broke_off(world: World) -> None:
    world.small.fails_after = 7
    drafts = await world.drafts()
    assert [draft.tier for draft in drafts] == ["small", "large", "large"]
    assert [draft.part for draft in drafts] == [0, 1, 2]
    assert drafts[-1].text == "You can return an item within 30 days. Refunds take 5 days."


async def test_with_both_models_away_the_documents_are_quoted(world: World) -> None:
    world.small.fails_after = world.large.fails_after = 0
    [draft] = await world.drafts()
    assert (draft.tier, draft.hand_over) == ("extractive", "")
    assert draft.text.startswith("You can return an item within 30 days.")


async def test_a_tier_that_failed_twice_is_left_alone_for_a_while(world: World) -> None:
    world.small.fails_after = 0
    for _ in range(3):
        await world.drafts()
    assert len(world.small.requests) == 2
    world.clock.advance(11)
    await world.drafts()
    assert len(world.small.requests) == 3


async def test_the_policy_says_which_tiers_may_be_asked(world: World) -> None:
    world.work_by(Policy(mode="extractive", tiers=("extractive",)))
    [draft] = await world.drafts()
    assert draft.tier == "extractive"
    assert world.small.requests == world.large.requests == []


async def test_too_little_time_is_not_spent_on_a_model(world: World) -> None:
    [draft] = await world.drafts(grounded(deadline_unix_ms=world.clock.unix_ms() + 900))
    assert draft.tier == "extractive"
    assert world.small.requests == []


async def test_a_wish_for_a_person_is_a_field_and_no_sentence(world: World) -> None:
    world.small.says = '{"hand_over": "No passage says it."}'
    [draft] = await world.drafts()
    assert (draft.hand_over, draft.text) == ("No passage says it.", "")


@pytest.mark.parametrize(
    "says",
    [
        "You can return an item within 30 days [4].",
        "Our founder was born in Paris.",
        "You can return an item within 30 days [1]. Our founder was born in Paris. Bye now.",
    ],
)
async def test_a_sentence_without_a_source_ends_the_answer(world: World, says: str) -> None:
    world.small.says = says
    *parts, last = await world.drafts()
    assert last.hand_over == core.UNSUPPORTED
    assert all("Paris" not in draft.text for draft in (*parts, last))


async def test_without_passages_nothing_is_made_up(world: World) -> None:
    [draft] = await world.drafts(grounded(passages=()))
    assert draft.hand_over
    assert world.small.requests == []


async def test_who_needs_a_person_gets_no_model(world: World) -> None:
    [draft] = await world.drafts(grounded(route="escalate_human"))
    assert draft.hand_over == "The customer needs a person."
    assert world.small.requests == []


async def test_an_answer_to_somebody_with_personal_data_is_marked(world: World) -> None:
    findings = (Finding(placeholder="<EMAIL_1>", kind="EMAIL"),)
    far_ms = world.clock.unix_ms() + 10_000
    *_, whole = await world.drafts(grounded(findings=findings, deadline_unix_ms=far_ms))
    assert whole.personal
