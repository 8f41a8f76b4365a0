"""SIGKILL in the running system: the customer is answered, and nothing that was accepted is lost.

`make bench-kills` breaks every part under a stream of questions and measures it; this is its
short form.
"""

import time
from typing import Any

import httpx
import pytest

from tests.local_cluster import LocalCluster

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

WELL_AGAIN_S = 60.0


def wait_until_well(cluster: LocalCluster) -> None:
    """Everything runs, is ready and works in the best mode."""
    until = time.monotonic() + WELL_AGAIN_S
    while (state := cluster.status()) is None or state["mode"] != "full":
        assert time.monotonic() < until, "it did not recover"
        time.sleep(0.3)


def transcript(cluster: LocalCluster, conversation_id: str) -> list[dict[str, Any]]:
    response = httpx.get(
        f"{cluster.page_url}v1/conversations/{conversation_id}",
        headers={"X-Switchboard-Key": cluster.keys["admin_key"]},
        timeout=10,
    )
    messages: list[dict[str, Any]] = response.json().get("messages", [])
    return messages


@pytest.mark.parametrize("victim", ["cache", "intent", "generation", "safety", "redis"])
def test_a_question_is_answered_while_a_part_is_dead(
    local_cluster: LocalCluster, victim: str
) -> None:
    wait_until_well(local_cluster)
    local_cluster.kill(victim)
    answer = local_cluster.ask(f"How often should I descale my Morrow One? ({victim})")
    assert not answer["late"]
    assert "200 cups" in answer["answer"] or answer["escalated"]


def test_a_question_accepted_without_a_broker_is_answered_later(
    local_cluster: LocalCluster,
) -> None:
    wait_until_well(local_cluster)
    local_cluster.kill("kafka")
    kept = local_cluster.ask("How do I clean the grinder of my Morrow Grind?")
    assert kept["answer"]
    wait_until_well(local_cluster)
    until = time.monotonic() + WELL_AGAIN_S
    while not any(m["role"] == "bot" for m in transcript(local_cluster, kept["conversation_id"])):
        assert time.monotonic() < until, "the question was lost"
        time.sleep(0.5)
