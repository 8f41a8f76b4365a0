"""Cases from events: one per conversation, in order, live, and gone when erased."""

import asyncio
from typing import Any

from sqlalchemy import text

from services.escalation.adapters import SqlCases
from services.escalation.desk import Agent
from shared.database import open_database
from shared.events import (
    Answered,
    CaseOpened,
    ConversationErased,
    OwnerChanged,
    Relayed,
    Screened,
)

ANA = Agent("morrow", "ana@morrow.example", "Ana")


def turn(number: int, conversation: str = "c1") -> dict[str, Any]:
    return {
        "tenant_id": "morrow",
        "conversation_id": conversation,
        "turn_id": f"more{number}",
        "deadline_unix_ms": 1,
    }


async def the_case(world: Any, view: str = "waiting") -> Any:
    store = world.deps.cases
    assert isinstance(store, SqlCases)
    (case,) = await store.listed(ANA, view, 10)
    found = await store.get(ANA, case.case_id)
    assert found is not None
    return found


async def test_a_hand_over_opens_a_case_with_what_was_said(world: Any, a_hand_over: Any) -> None:
    opened = await world.tell(a_hand_over())
    assert isinstance(opened, CaseOpened)
    assert opened.queue_position == 1
    case, said = await the_case(world)
    assert (case.case_id, case.draft, case.state) == (opened.case_id, "It takes 3 days.", "waiting")
    assert [(item.role, item.text) for item in said] == [
        ("customer", "Where is it?"),
        ("bot", "On its way."),
        ("customer", "A person, please"),
        ("system", "The customer asked for a person."),
    ]


async def test_a_redelivered_hand_over_repeats_its_output_and_nothing_else(
    world: Any, a_hand_over: Any
) -> None:
    first = await world.tell(a_hand_over())
    again = await world.tell(a_hand_over())
    assert (first, first.event_id) == (again, again.event_id)
    _, said = await the_case(world)
    assert len(said) == 4


async def test_a_second_hand_over_adds_a_note_to_the_open_case(
    world: Any, a_hand_over: Any
) -> None:
    await world.tell(a_hand_over())
    world.clock.advance(5)
    second = await world.tell(
        a_hand_over(
            turn_id="t9",
            accepted_unix_ms=world.clock.unix_ms(),
            rule="topic.injury",
            reason="An injury.",
            question="It burns!",
        )
    )
    case, said = await the_case(world)
    assert second.case_id == case.case_id
    assert case.priority == 0
    assert [item.text for item in said[-2:]] == ["It burns!", "An injury."]


async def test_hand_overs_at_the_same_moment_open_one_case(world: Any, a_hand_over: Any) -> None:
    opened = await asyncio.gather(*(world.tell(a_hand_over(turn_id=f"t{n}")) for n in range(8)))
    assert len({event.case_id for event in opened}) == 1


async def test_urgent_cases_stand_before_older_ones(world: Any, a_hand_over: Any) -> None:
    assert (await world.tell(a_hand_over(1))).queue_position == 1
    world.clock.advance(1)
    assert (await world.tell(a_hand_over(2))).queue_position == 2
    world.clock.advance(1)
    assert (await world.tell(a_hand_over(3, rule="topic.self_harm"))).queue_position == 1
    assert (await world.tell(a_hand_over(1))).queue_position == 2


async def test_the_transcript_stays_live_while_a_case_is_open(world: Any, a_hand_over: Any) -> None:
    await world.tell(a_hand_over())
    world.clock.advance(5)
    await world.tell(Screened(**turn(1), text="And the invoice?", fingerprint="f"))
    answer = {"route": "faq", "origin": "faq"}
    await world.tell(Answered(**turn(1), **answer, text="In your", last=False))
    await world.tell(Answered(**turn(1), **answer, text="In your account."))
    world.clock.advance(5)
    await world.tell(Relayed(**turn(2), text="Thanks", owner="ana@morrow.example"))
    _, said = await the_case(world)
    assert [item.text for item in said[4:]] == ["And the invoice?", "In your account.", "Thanks"]


async def test_conversations_without_a_case_leave_nothing_here(world: Any) -> None:
    await world.tell(Screened(**turn(1), text="Hello", fingerprint="f"))
    assert await world.deps.cases.listed(ANA, "waiting", 10) == []


async def test_a_message_to_an_agent_who_just_left_is_not_lost(world: Any) -> None:
    message = Relayed(**turn(1), text="One more thing", owner="ana@morrow.example")
    opened = await world.tell(message)
    assert isinstance(opened, CaseOpened)
    case, said = await the_case(world)
    assert (case.rule, said[0].text) == ("relay.after_hand_back", "One more thing")
    assert await world.tell(message) is None


async def test_erasing_deletes_lets_the_agent_go_and_refuses_late_events(
    world: Any, a_hand_over: Any
) -> None:
    opened = await world.tell(a_hand_over())
    async with world.browser() as http:
        await http.post(f"/api/cases/{opened.case_id}/take", json={})
    erased = ConversationErased(tenant_id="morrow", conversation_id="c1", erased_unix_ms=5)
    released = await world.tell(erased)
    assert isinstance(released, OwnerChanged)
    assert released.owner == "bot"
    assert await world.tell(a_hand_over()) is None
    assert await world.tell(erased) is None
    database = open_database(world.runtime.settings.database_url)
    async with database.reading() as connection:
        left = (await connection.execute(text("SELECT * FROM escalation_messages"))).all()
        done = (await connection.execute(text("SELECT action FROM escalation_audit"))).scalars()
        assert (left, list(done)) == ([], ["taken", "erased"])
    await database.close()


async def test_closed_cases_are_purged_after_their_time_open_ones_never(
    world: Any, a_hand_over: Any
) -> None:
    opened = await world.tell(a_hand_over(1))
    await world.tell(a_hand_over(2))
    async with world.browser() as http:
        await http.post(f"/api/cases/{opened.case_id}/close", json={})
    world.clock.advance(100)
    assert await world.deps.cases.purge(world.clock.unix_ms(), 10) == 1
    assert len(await world.deps.cases.listed(ANA, "waiting", 10)) == 1
