"""Offers, confirmations and questions back, through every service on the memory bus."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from services.intent import texts
from shared import offers
from tests.flow.cluster import ARTICLES, Cluster, running_cluster, settings_for

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    settings = settings_for(tmp_path_factory.mktemp("offers"))
    articles = [ARTICLES / "one-descale.md"]
    async with running_cluster(settings, articles) as running:
        yield running


async def talk(cluster: Cluster, *messages: str) -> list[dict[str, Any]]:
    """One conversation; the answer to each message."""
    answers = [await cluster.ask(messages[0])]
    conversation_id = answers[0]["conversation_id"]
    for message in messages[1:]:
        answers.append(await cluster.ask(message, conversation_id=conversation_id))
    return answers


async def test_one_bare_word_brings_an_offer_and_the_click_brings_a_person(
    cluster: Cluster,
) -> None:
    offered, taken = await talk(cluster, "agent", offers.ACCEPT)
    assert (offered["offer"], offered["escalated"]) == ("person", False)
    assert offered["options"] == [offers.ACCEPT, offers.DECLINE]
    assert taken["escalated"] and taken["route"] == "escalate_human"
    assert taken["offer"] is None and taken["options"] == []


async def test_a_declined_offer_is_not_made_again(cluster: Cluster) -> None:
    _, declined, again = await talk(cluster, "operator", "no thanks", "operator")
    assert declined["answer"] == texts.DECLINED
    assert again["escalated"]


async def test_the_same_question_a_third_time_gets_an_offer_not_the_same_answer(
    cluster: Cluster,
) -> None:
    question = "How often should I descale my Morrow One?"
    first, second, third = await talk(cluster, question, question, question)
    assert first["origin"] == "knowledge" and second["answer"] == first["answer"]
    assert third["offer"] == "person"


async def test_an_answer_of_no_use_gets_an_offer(cluster: Cluster) -> None:
    question = "How often should I descale my Morrow One?"
    _, offered = await talk(cluster, question, "That didn't help at all")
    assert offered["offer"] == "person"


async def test_a_large_refund_is_confirmed_and_then_goes_to_a_person(cluster: Cluster) -> None:
    asked, taken = await talk(cluster, "I want a refund of 450 euros for my machine", "yes please")
    assert (asked["offer"], asked["escalated"]) == ("confirm", False)
    assert taken["escalated"] and taken["intent"] == "refund_over_limit"


async def test_a_large_refund_that_is_not_confirmed_stays_with_the_bot(cluster: Cluster) -> None:
    _, declined = await talk(cluster, "I want a refund of 450 euros for my machine", "no")
    assert not declined["escalated"] and declined["answer"] == texts.DECLINED


async def test_a_vague_word_is_asked_about_and_the_pick_is_answered(cluster: Cluster) -> None:
    (asked,) = await talk(cluster, "cancel")
    assert len(asked["options"]) == 2
    picked = await cluster.ask(asked["options"][1], conversation_id=asked["conversation_id"])
    assert "Morrow Club" in picked["answer"] and picked["options"] == []
