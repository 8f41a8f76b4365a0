"""The public API over the memory bus."""

import asyncio
import json

from tests.services.gateway.conftest import ADMIN, WIDGET, Gateway, OpenGateway

FIELDS = set(
    "conversation_id turn_id answer citations intent route confidence origin tier escalated mode "
    "timings_ms cache".split()
)


async def test_a_question_is_answered_with_every_field_of_v1(gateway: Gateway) -> None:
    answer = await gateway.ask("How long can I return an item?")
    assert set(answer) >= FIELDS
    assert answer["citations"][0]["title"] == "Return an item"
    assert answer["cache"] == {"hit": False, "similarity": None}
    assert answer["timings_ms"]["total"] >= 0
    assert answer["conversation_token"]


async def test_a_wrong_key_is_refused_as_a_problem(gateway: Gateway) -> None:
    response = await gateway.client.post("/v1/chat", json={"message": "hi"})
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/problem+json"


async def test_unknown_fields_are_ignored_and_bad_ones_are_named(gateway: Gateway) -> None:
    await gateway.ask("hello", colour="red")
    for body in ({"message": ""}, {"message": " "}, {"message": "x" * 4001}, {}):
        response = await gateway.client.post("/v1/chat", json=body, headers=WIDGET)
        assert response.status_code == 422
        assert "message" in response.text


async def test_a_body_over_the_bound_is_not_parsed(gateway: Gateway) -> None:
    huge = b'{"message": "' + b"x" * 70_000
    response = await gateway.client.post("/v1/chat", content=huge, headers=WIDGET)
    assert response.status_code == 413


async def test_the_limit_per_user_says_when_to_come_back(open_gateway: OpenGateway) -> None:
    async with open_gateway(rate_per_minute=2) as gateway:
        await gateway.ask("one", user_id="u")
        await gateway.ask("two", user_id="u")
        body = {"message": "three", "user_id": "u"}
        response = await gateway.client.post("/v1/chat", json=body, headers=WIDGET)
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) > 0
        assert response.headers["ratelimit-policy"] == '"messages";q=2;w=60'
        assert response.headers["ratelimit"].startswith('"messages";r=0;t=')
        await gateway.ask("another user", user_id="v")


async def test_too_many_questions_in_flight_are_told_to_come_back(
    open_gateway: OpenGateway,
) -> None:
    async with open_gateway(max_turns=1, deadline_s=0.5) as gateway:
        waiting = asyncio.create_task(gateway.ask("nothing"))
        await asyncio.sleep(0.1)
        response = await gateway.client.post("/v1/chat", json={"message": "hi"}, headers=WIDGET)
        assert response.status_code == 503
        assert response.headers["retry-after"]
        await waiting


async def test_the_deadline_brings_an_honest_text(open_gateway: OpenGateway) -> None:
    async with open_gateway(deadline_s=0.2) as gateway:
        answer = await gateway.ask("nothing")
        assert answer["origin"] == "degraded"
        assert "kept" in answer["answer"]


async def test_a_stream_is_numbered_and_ends_with_the_whole_answer(gateway: Gateway) -> None:
    headers = {**WIDGET, "Accept": "text/event-stream"}
    body = {"message": "How long can I return an item?"}
    response = await gateway.client.post("/v1/chat", json=body, headers=headers)
    frames = [
        json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: ")
    ]
    numbered = [frame for frame in frames if "seq" in frame]
    assert [frame["type"] for frame in numbered] == [
        "ack",
        "delta",
        "delta",
        "delta",
        "citation",
        "answer",
    ]
    assert [frame["seq"] for frame in numbered] == [1, 2, 3, 4, 5, 6]
    assert set(numbered[-1]) >= FIELDS
    assert numbered[-1]["answer"].startswith("You can return")


async def test_a_hand_over_is_announced_before_the_answer(gateway: Gateway) -> None:
    headers = {**WIDGET, "Accept": "text/event-stream"}
    body = {"message": "a person please"}
    response = await gateway.client.post("/v1/chat", json=body, headers=headers)
    kinds = [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]
    assert kinds[-2:] == ["escalated", "answer"]
    answer = await gateway.ask("a person please")
    assert answer["escalated"] and answer["route"] == "escalate_human"


async def test_a_follow_up_carries_the_exchanges_before(gateway: Gateway) -> None:
    first = await gateway.ask("hello")
    await asyncio.sleep(0.05)
    second = await gateway.ask("and more", conversation_id=first["conversation_id"])
    assert second["answer"] == "You said: and more after 1"
    assert second["conversation_token"] is None


async def test_feedback_needs_a_known_turn(gateway: Gateway) -> None:
    answer = await gateway.ask("hello")
    body = {"turn_id": answer["turn_id"], "rating": "up", "comment": "mail a@b.example"}
    known = await gateway.client.post("/v1/feedback", json=body, headers=WIDGET)
    unknown = await gateway.client.post(
        "/v1/feedback", json={**body, "turn_id": "no-such"}, headers=WIDGET
    )
    other = await gateway.client.post(
        "/v1/feedback", json=body, headers={"X-Switchboard-Key": "other-widget"}
    )
    assert [known.status_code, unknown.status_code, other.status_code] == [202, 404, 404]


async def test_a_conversation_is_read_only_with_its_token(gateway: Gateway) -> None:
    answer = await gateway.ask("hello")
    path = f"/v1/conversations/{answer['conversation_id']}"
    token = {"X-Switchboard-Token": answer["conversation_token"]}
    stranger = await gateway.client.get(path, headers=WIDGET)
    owner = await gateway.client.get(path, headers={**WIDGET, **token})
    admin = await gateway.client.get(path, headers=ADMIN)
    agent = await gateway.client.get(path, auth=("sam@morrow.example", "secret"))
    tenant = await gateway.client.get(path, headers={"X-Switchboard-Key": "other-widget", **token})
    assert stranger.status_code == tenant.status_code == 403
    # History does not run here: allowed, and told so honestly.
    assert owner.status_code == admin.status_code == agent.status_code == 503


async def test_an_erased_conversation_is_forgotten(gateway: Gateway) -> None:
    answer = await gateway.ask("hello")
    path = f"/v1/conversations/{answer['conversation_id']}"
    token = {"X-Switchboard-Token": answer["conversation_token"]}
    assert (await gateway.client.delete(path, headers=WIDGET)).status_code == 403
    erased = await gateway.client.delete(path, headers={**WIDGET, **token})
    assert erased.status_code == 202
    again = await gateway.ask("more", conversation_id=answer["conversation_id"])
    assert again["answer"] == "You said: more"


async def test_documents_go_in_are_listed_and_leave(gateway: Gateway) -> None:
    path = "/v1/documents/returns"
    body = {"content": "# Returns\n\nThirty days."}
    assert (await gateway.client.put(path, json=body, headers=WIDGET)).status_code == 401
    put = await gateway.client.put(path, json=body, headers=ADMIN)
    assert put.status_code == 202 and put.json()["state"] == "pending"
    await asyncio.sleep(0.05)
    listed = (await gateway.client.get("/v1/documents", headers=ADMIN)).json()
    assert listed["documents"][0]["state"] == "indexed"
    assert listed["documents"][0]["title"] == "Returns"
    assert listed["knowledge_version"] == f"k-{put.json()['version']}"
    assert (await gateway.client.delete(path, headers=ADMIN)).status_code == 202
    await asyncio.sleep(0.05)
    assert (await gateway.client.get("/v1/documents", headers=ADMIN)).json()["documents"] == []
    assert (await gateway.client.delete(path, headers=ADMIN)).status_code == 404


async def test_a_document_may_be_plain_markdown(gateway: Gateway) -> None:
    headers = {**ADMIN, "Content-Type": "text/markdown"}
    path = "/v1/documents/plain"
    put = await gateway.client.put(path, content="Just text.", headers=headers)
    empty = await gateway.client.put(path, content="", headers=headers)
    broken = await gateway.client.put(path, content=b"\xff\xfe", headers=headers)
    assert [put.status_code, empty.status_code, broken.status_code] == [202, 422, 422]


async def test_the_page_and_its_api_description_load_nothing_from_elsewhere(
    gateway: Gateway,
) -> None:
    for path in ("/", "/docs", "/widget.js", "/web/widget.css"):
        response = await gateway.client.get(path)
        assert response.status_code == 200
        assert "cdn" not in response.text.lower()
    schema = (await gateway.client.get("/openapi.json")).json()
    assert "/v1/chat" in schema["paths"]
    assert (await gateway.client.get("/web/../app.py")).status_code == 404
