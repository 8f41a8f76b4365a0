"""Typing and reading, between a customer and their agent."""

from dataclasses import replace
from typing import Any

from services.escalation.board import KEPT, ChangeBoard
from services.escalation.handlers import show_presence
from shared.events import PresenceNoticed


def presence(conversation_id: str = "c1", side: str = "customer") -> PresenceNoticed:
    return PresenceNoticed(
        tenant_id="morrow",
        conversation_id=conversation_id,
        side=side,  # type: ignore[arg-type]
        state="typing",
        at_unix_ms=7,
    )


async def test_a_dashboard_hears_of_its_own_customers_only(world: Any) -> None:
    board = ChangeBoard()
    deps = replace(world.deps, board=board)
    await show_presence(presence("c1"), deps)
    await show_presence(presence("c2", side="agent"), deps)
    assert [n.presence for n in await board.after("morrow", 0, 0.01)] == [presence("c1")]
    assert await board.after("other", 0, 0.01) == []


async def test_a_dashboard_that_is_far_behind_is_told_to_read_everything() -> None:
    board = ChangeBoard()
    for _ in range(KEPT + 5):
        board.notice(presence())
    (notice,) = await board.after("morrow", 1, 0.01)
    assert (notice.kind, notice.number) == ("changed", KEPT + 5)
    assert len(await board.after("morrow", KEPT, 0.01)) == 5


async def test_an_agents_typing_reaches_the_customer_only_in_their_own_conversation(
    world: Any, a_hand_over: Any
) -> None:
    case_id = (await world.tell(a_hand_over(1))).case_id
    async with world.browser() as http, world.browser("ben@morrow.example") as ben:
        path = f"/api/cases/{case_id}/typing"
        assert (await http.post(path)).status_code == 409
        await http.post(f"/api/cases/{case_id}/take", json={})
        assert (await http.post(path)).status_code == 204
        assert (await ben.post(path)).status_code == 409
    (event,) = await world.hear(PresenceNoticed.topic, 1)
    assert (event.conversation_id, event.side, event.agent_name) == ("c1", "agent", "Ana")
