"""An agent sees what a placeholder stands for, and leaves a trace."""

from typing import Any

from sqlalchemy import select

from services.escalation.tables import audit
from shared.database import open_database

PLACEHOLDER = "<EMAIL_1>"


async def with_address(world: Any, a_hand_over: Any) -> tuple[str, str]:
    """A case whose customer gave an address: its id, and the message's."""
    vault = world.service.api.state.deps.vault
    await vault.keep("morrow", "c1", "t1", {PLACEHOLDER: "ada@x.org"}, ttl_s=60)
    question = f"Write to {PLACEHOLDER}, please"
    case_id: str = (await world.tell(a_hand_over(1, question=question))).case_id
    return case_id, "t1:customer"


async def test_who_has_the_conversation_may_reveal_a_placeholder_and_it_is_audited(
    world: Any, a_hand_over: Any
) -> None:
    case_id, message_id = await with_address(world, a_hand_over)
    path = f"/api/cases/{case_id}/reveal"
    body = {"message_id": message_id, "placeholder": PLACEHOLDER}
    async with world.browser() as http:
        assert (await http.post(path, json=body)).status_code == 409
        await http.post(f"/api/cases/{case_id}/take", json={})
        shown = await http.post(path, json=body)
        assert shown.json() == {"originals": ["ada@x.org"]}
        assert shown.headers["Cache-Control"] == "no-store"
    database = open_database(world.runtime.settings.database_url)
    async with database.reading() as connection:
        rows = (await connection.execute(select(audit).where(audit.c.case_id == case_id))).all()
    await database.close()
    assert ("ana@morrow.example", "revealed", f"{PLACEHOLDER} in {message_id}") in [
        (row.agent, row.action, row.detail) for row in rows
    ]
    assert not any("ada@x.org" in row.detail for row in rows)


async def test_only_a_placeholder_of_the_message_can_be_revealed(
    world: Any, a_hand_over: Any
) -> None:
    case_id, message_id = await with_address(world, a_hand_over)
    path = f"/api/cases/{case_id}/reveal"
    body = {"message_id": message_id, "placeholder": PLACEHOLDER}
    async with world.browser() as http:
        await http.post(f"/api/cases/{case_id}/take", json={})
        for wrong in ({"placeholder": "<PHONE_1>"}, {"message_id": "t1:q0"}):
            assert (await http.post(path, json={**body, **wrong})).status_code == 404
        assert (await http.post(path, json={**body, "placeholder": "EMAIL"})).status_code == 422
        await world.service.api.state.deps.vault.forget("morrow", "c1")
        gone = await http.post(path, json=body)
        assert gone.status_code == 404 and "no longer kept" in gone.json()["title"]
    async with world.browser("eve@other.example") as http:
        assert (await http.post(path, json=body)).status_code == 404
