"""What the cache does to whole turns: shared, refused, forgotten, disputed, checked aside."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from httpx import ASGITransport, AsyncClient
from prometheus_client import REGISTRY

from tests.flow.cluster import (
    ADMIN,
    ARTICLES,
    WIDGET,
    Cluster,
    eventually,
    running_cluster,
    settings_for,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    settings = settings_for(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CACHE_MIN_PROBABILITY", "0.6")  # its quality is not tested here
        environment.setenv("CACHE_AUDIT_SHARE", "1")  # every hit is answered afresh, aside
        async with running_cluster(settings, sorted(ARTICLES.glob("one-*.md"))) as running:
            yield running


async def remembered(cluster: Cluster, question: str) -> dict[str, Any]:
    """Ask until the answer comes from the cache; that answer."""
    found: dict[str, Any] = {}

    async def hit() -> bool:
        found.update(await cluster.ask(question, user_id=str(uuid.uuid4())))
        return bool(found["cache"]["hit"])

    await eventually(hit)
    return found


def total(name: str, **labels: str) -> float:
    """A counter, summed over the labels that are not given."""
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def test_identical_questions_at_once_are_answered_once(cluster: Cluster) -> None:
    question = "My Morrow One leaks from below, why?"
    made = total("switchboard_handler_seconds_count", handler="generate")
    answers = await asyncio.gather(*(cluster.ask(question) for _ in range(8)))
    assert len({answer["answer"] for answer in answers}) == 1
    origins = [answer["origin"] for answer in answers]
    assert origins.count("knowledge") == 1 and origins.count("cache") == 7, origins
    shadows = total("switchboard_cache_audits_total") + 7  # audits generate, too
    assert total("switchboard_handler_seconds_count", handler="generate") - made <= 1 + shadows


@pytest.mark.parametrize("directive", ["no-cache", "no-store"])
async def test_a_caller_may_refuse_a_remembered_answer(cluster: Cluster, directive: str) -> None:
    question = "Which lights does the Morrow One show?"
    await remembered(cluster, question)
    response = await cluster.gateway.post(
        "/v1/chat",
        json={"message": question},
        headers={**WIDGET, "Cache-Control": directive},
        timeout=30,
    )
    answer = response.json()
    assert answer["cache"] == {"hit": False, "similarity": None}
    assert answer["origin"] == "knowledge"


async def test_what_was_asked_with_no_store_is_not_remembered(cluster: Cluster) -> None:
    question = "How often must the water filter of the Morrow One be changed?"
    for directive in ("no-store", ""):
        response = await cluster.gateway.post(
            "/v1/chat",
            json={"message": question},
            headers={**WIDGET, "Cache-Control": directive},
            timeout=30,
        )
        assert response.json()["cache"]["hit"] is False


async def test_the_api_description_names_the_directives(cluster: Cluster) -> None:
    schema = (await cluster.gateway.get("/openapi.json")).json()
    (header,) = [
        parameter
        for parameter in schema["paths"]["/v1/chat"]["post"]["parameters"]
        if parameter["name"].lower() == "cache-control"
    ]
    assert header["in"] == "header" and not header.get("required")
    assert "no-cache" in header["description"] and "no-store" in header["description"]


async def test_a_thumb_down_makes_the_next_answer_a_fresh_one(cluster: Cluster) -> None:
    question = "My Morrow One leaks under the machine, what can I do?"
    hit = await remembered(cluster, question)
    body = {"turn_id": hit["turn_id"], "rating": "down"}
    response = await cluster.gateway.post("/v1/feedback", json=body, headers=WIDGET)
    assert response.status_code == 202

    async def forgotten() -> bool:
        shown = await cluster_cache(cluster)
        return question not in [entry["question"] for entry in shown["entries"]]

    await eventually(forgotten)


async def cluster_cache(cluster: Cluster) -> dict[str, Any]:
    """What the cache's own door shows."""
    api = cluster.hosts["cache"].service.api
    assert api is not None
    async with AsyncClient(transport=ASGITransport(api), base_url="http://cache") as http:
        found: dict[str, Any] = (await http.get("/v1/cache", headers=ADMIN)).json()
        return found


async def test_a_rewording_that_an_admin_disputes_is_not_served_again(cluster: Cluster) -> None:
    question, reworded = (
        "How do I steam milk with my Morrow One?",
        ("how can I steam milk with the Morrow One"),
    )
    await remembered(cluster, question)
    hit = await cluster.ask(reworded)
    assert hit["cache"]["hit"] and hit["cache"]["similarity"] < 1
    api = cluster.hosts["cache"].service.api
    assert api is not None
    async with AsyncClient(transport=ASGITransport(api), base_url="http://cache") as http:
        body = {"conversation_id": hit["conversation_id"], "turn_id": hit["turn_id"]}
        answer = await http.post("/v1/cache/disputes", json=body, headers=ADMIN)
        assert answer.status_code == 202

    async def gone() -> bool:
        entries = (await cluster_cache(cluster))["entries"]
        return question not in [entry["question"] for entry in entries]

    await eventually(gone)
    await remembered(cluster, question)
    entries = (await cluster_cache(cluster))["entries"]
    (entry,) = [entry for entry in entries if entry["question"] == question]
    assert entry["min_similarity"] > hit["cache"]["similarity"]


async def test_hits_are_checked_aside_without_anybody_noticing(cluster: Cluster) -> None:
    question = "Which lights does the Morrow One show?"
    await remembered(cluster, question)
    await asyncio.sleep(0.3)  # the last turn is counted a moment after it is answered
    turns, audits = total("switchboard_turns_total"), total("switchboard_cache_audits_total")
    cases = total("switchboard_escalations_total")
    hit = await cluster.ask(question)
    assert hit["cache"]["hit"]
    await eventually(lambda: total("switchboard_cache_audits_total") > audits)
    await eventually(lambda: total("switchboard_turns_total") == turns + 1)
    await asyncio.sleep(0.3)
    assert total("switchboard_turns_total") == turns + 1
    assert total("switchboard_escalations_total") == cases
