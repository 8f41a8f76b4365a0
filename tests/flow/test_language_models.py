"""Whole turns with language models behind real sockets: checked, replaced, stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from shared.codec import decode
from shared.events import Drafted
from tests.flow.cluster import (
    ARTICLES,
    WIDGET,
    Cluster,
    eventually,
    running_cluster,
    settings_for,
)
from tests.model_server import ModelServer, Script, model_server

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUESTION = "How often should I descale my Morrow One?"
GOOD = ("Descale it every 200 cups ", "or every 3 months [1]. ", "It takes about 25 minutes [1].")


@pytest.fixture(scope="module")
def small() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture(scope="module")
def large() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(
    tmp_path_factory: pytest.TempPathFactory, small: ModelServer, large: ModelServer
) -> AsyncIterator[Cluster]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SMALL_LLM_URL", small.url)
        environment.setenv("LARGE_LLM_URL", large.url)
        environment.setenv("GENERATION_BREAKER_FAILURES", "1000")  # one test must not rest another
        settings = settings_for(tmp_path_factory.mktemp("models"))
        async with running_cluster(settings, sorted(ARTICLES.glob("one-*.md"))) as running:
            yield running


async def ask(cluster: Cluster, question: str = QUESTION) -> dict[str, object]:
    """A question whose answer is not remembered for the next test."""
    response = await cluster.gateway.post(
        "/v1/chat",
        json={"message": question},
        headers={**WIDGET, "Cache-Control": "no-store, no-cache"},
        timeout=30,
    )
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


async def test_the_small_model_answers_with_its_sources(
    cluster: Cluster, small: ModelServer
) -> None:
    small.script = Script(GOOD)
    answer = await ask(cluster)
    assert (answer["tier"], answer["origin"]) == ("small", "knowledge")
    assert answer["answer"] == (
        "Descale it every 200 cups or every 3 months. It takes about 25 minutes."
    )
    assert [c["title"] for c in answer["citations"]] == ["Descale your Morrow One"]  # type: ignore[attr-defined]
    prompt = small.requests[-1]["messages"][-1]["content"]
    assert QUESTION in prompt and "[1] Descale your Morrow One" in prompt


@pytest.mark.parametrize(
    "invented",
    [
        ("Descale every 200 cups [1]. ", "That is common in the game of Dungeons and Dragons."),
        ("Descale every 200 cups [1]. ", "It is a habit of dragons. ", "And takes 25 minutes [1]."),
        ("Descale it every 750 cups [1].",),
        ("Descale it [9].",),
    ],
)
async def test_what_no_source_holds_never_reaches_the_customer(
    cluster: Cluster, small: ModelServer, invented: tuple[str, ...]
) -> None:
    small.script = Script(invented)
    answer = await ask(cluster)
    assert answer["escalated"]
    for word in ("Dragons", "dragons", "750"):
        assert word not in str(answer["answer"])


async def test_a_model_hands_over_by_a_field(cluster: Cluster, small: ModelServer) -> None:
    small.script = Script(('{"hand_over": "Needs ', 'the order number"}'))
    answer = await ask(cluster)
    assert answer["escalated"]


async def test_the_large_model_stands_in_for_the_small(
    cluster: Cluster, small: ModelServer, large: ModelServer
) -> None:
    small.script, large.script = Script(status=500), Script(GOOD)
    assert (await ask(cluster))["tier"] == "large"


async def test_a_stream_that_breaks_is_finished_by_the_next_tier(
    cluster: Cluster, small: ModelServer, large: ModelServer
) -> None:
    small.script, large.script = Script(GOOD, cut_after=2), Script(GOOD)
    answer = await ask(cluster)
    assert answer["tier"] == "large"
    assert str(answer["answer"]).count("200 cups") == 1


async def test_quotes_are_left_when_both_models_fail(
    cluster: Cluster, small: ModelServer, large: ModelServer
) -> None:
    small.script = large.script = Script(status=503)
    answer = await ask(cluster)
    assert (answer["tier"], answer["escalated"]) == ("extractive", False)
    assert "200 cups" in str(answer["answer"])


async def test_stopping_a_turn_stops_the_model(cluster: Cluster, small: ModelServer) -> None:
    small.script = Script(GOOD + (" And so on [1].",) * 100, pause_s=0.05)
    abandoned = small.abandoned
    bus = cluster.hosts["generation"].runtime.bus
    drafts = bus.subscribe(["turn.drafted.v1"], None, start="latest")
    await drafts.positioned(5)
    asking = asyncio.create_task(ask(cluster))
    draft = decode(await anext(aiter(drafts)))
    await drafts.close()
    assert isinstance(draft, Drafted)
    stopped = await cluster.gateway.post(f"/v1/turns/{draft.turn_id}/stop", headers=WIDGET)
    assert stopped.status_code == 202
    answer = await asking
    assert answer["stopped"]
    await eventually(lambda: small.abandoned > abandoned)
