"""Whole turns over a real Kafka and a real Redis, all services in this process."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from services.degradation.core import ROUTES
from tests.flow.cluster import ARTICLES, Cluster, eventually, running_cluster, settings_for

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.live]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(
    tmp_path_factory: pytest.TempPathFactory, kafka_url: str, redis_url: str
) -> AsyncIterator[Cluster]:
    settings = settings_for(
        tmp_path_factory.mktemp("live"), bus_url=kafka_url, kv_url=f"{redis_url}/0"
    )
    articles = sorted([*ARTICLES.glob("one-*.md"), *ARTICLES.glob("mini-*.md")])
    async with running_cluster(settings, articles) as running:
        yield running


async def test_a_question_is_answered_and_then_remembered(cluster: Cluster) -> None:
    question = "How do I descale my Morrow One?"
    first = await cluster.ask(question)
    assert first["origin"] == "knowledge"
    assert first["citations"][0]["title"] == "Descale your Morrow One"

    async def hit() -> bool:
        again = await cluster.ask(question)
        return bool(again["cache"]["hit"]) and again["answer"] == first["answer"]

    await eventually(hit)


async def test_a_rewording_is_found_in_the_vector_set(cluster: Cluster) -> None:
    await cluster.ask("How do I descale my Morrow Mini?")

    async def hit() -> bool:
        again = await cluster.ask("how can I descale the Morrow Mini")
        return bool(again["cache"]["hit"]) and again["cache"]["similarity"] < 1

    await eventually(hit)


async def test_a_wish_for_a_person_is_granted(cluster: Cluster) -> None:
    answer = await cluster.ask("I want to talk to a human")
    assert (answer["escalated"], answer["origin"]) == (True, "human")


async def test_a_changed_policy_reaches_every_service(cluster: Cluster) -> None:
    await cluster.work_by(ROUTES["escalate_all"])
    assert (await cluster.ask("What are your opening hours?"))["mode"] == "escalate_all"
    await cluster.work_by(ROUTES["full"])
    assert (await cluster.ask("What are your opening hours?"))["mode"] == "full"
