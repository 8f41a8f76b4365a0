"""Breaks one part after the other under a steady stream of questions: `make bench-kills`.

Against the running system, two questions a second: templates, documents, remembered answers, wishes
for a person, personal data. For each victim: what the askers saw, and whether everything that was
accepted is answered and in the transcript in the end. `lost` must be 0. A part that hangs
(`redis:stop`) is stopped by SIGSTOP for HANG_S and then let go on.
"""

import asyncio
import itertools
import json
import math
import os
import signal
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx
from rich.console import Console
from rich.live import Live
from rich.table import Table

from infra.local.cluster import Cluster, open_cluster
from infra.local.start import is_ready
from infra.local.status import mode
from infra.local.supervisor import Supervisor
from shared.service import NAMES

PACE_S = 0.5
CALM_S = 3.0  # of the stream before the blow
WATCH_S = 12.0  # at least so long after it
HANG_S = 10.0
RECOVERY_S = 60.0
ANSWER_TIMEOUT_S = 30.0
QUESTIONS = (
    "How do I descale my Morrow One?",
    "How long does a refund take to reach my bank account?",
    "Can I pause my subscription while I am on holiday?",
    "My e-mail is jo.smith@example.com, how do I change my password?",
    "I want to talk to a human",
    "Which countries do you deliver to and what does it cost?",
)
VICTIMS = (*NAMES, "kafka", "redis", "redis:stop")


@dataclass
class Asked:
    """One question and what became of it."""

    conversation_id: str
    at_s: float
    took_s: float = 0.0
    refused: str = ""  # not accepted: the asker knows and may ask again
    answer: dict[str, object] = field(default_factory=dict)

    @property
    def put_off(self) -> bool:
        """Whether the answer was an honest "later"."""
        return self.answer.get("origin") == "degraded"


@dataclass(frozen=True)
class Outcome:
    """What the askers of one blow saw."""

    victim: str
    asked: list[Asked]
    struck_at_s: float
    recovered_s: float
    unrecorded: int

    @property
    def accepted(self) -> list[Asked]:
        return [each for each in self.asked if not each.refused]


class Stream:
    """Asks at a steady pace, each question in a conversation of its own."""

    def __init__(self, client: httpx.AsyncClient, label: str) -> None:
        self._client = client
        self._label = label
        self.asked: list[Asked] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Ask until told to stop, then wait for what is still open."""
        async with asyncio.TaskGroup() as open_questions:
            for number, question in enumerate(itertools.cycle(QUESTIONS)):
                if stop.is_set():
                    return
                open_questions.create_task(self._ask(number, question))
                await asyncio.sleep(PACE_S)

    async def _ask(self, number: int, question: str) -> None:
        asked = Asked(f"{self._label}-{number}", time.monotonic())
        self.asked.append(asked)
        body = {
            "message": question,
            "conversation_id": asked.conversation_id,
            "user_id": f"{self._label}-{number // 50}",
        }
        # Every other question goes all the way, so that each service has work when it is struck.
        headers = {"Cache-Control": "no-cache"} if number % 2 else {}
        try:
            response = await self._client.post("/v1/chat", json=body, headers=headers)
            response.raise_for_status()
            asked.answer = response.json()
        except httpx.HTTPStatusError as error:
            asked.refused = str(error.response.status_code)
        except httpx.HTTPError as error:
            asked.refused = type(error).__name__
        asked.took_s = time.monotonic() - asked.at_s


async def strike(cluster: Cluster, victim: str) -> None:
    """Kill a process as a crash would, or let it hang for a while."""
    name, _, how = victim.partition(":")
    [pid] = [row["pid"] for row in Supervisor(cluster).processes() if row["name"] == name]
    if how != "stop":
        os.kill(pid, signal.SIGKILL)
        return
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(HANG_S)
    finally:
        os.kill(pid, signal.SIGCONT)


def is_well(cluster: Cluster) -> bool:
    """Everything runs, is ready, and works in the best mode."""
    states = Supervisor(cluster).states().values()
    ready = all(is_ready(cluster, name) for name in NAMES)
    return set(states) == {"RUNNING"} and ready and mode(cluster) == "full"


async def recovery(cluster: Cluster, struck_at_s: float) -> float:
    """Seconds from the blow until all is well; infinite when RECOVERY_S were not enough."""
    while not await asyncio.to_thread(is_well, cluster):
        if time.monotonic() - struck_at_s > RECOVERY_S:
            return math.inf
        await asyncio.sleep(0.2)
    return time.monotonic() - struck_at_s


async def unrecorded(client: httpx.AsyncClient, admin_key: str, accepted: list[Asked]) -> int:
    """Accepted questions whose transcript holds no answer and no hand-over, patiently counted."""
    missing = accepted
    until_s = time.monotonic() + RECOVERY_S / 2
    while missing and time.monotonic() < until_s:
        missing = [each for each in missing if not await _is_recorded(client, admin_key, each)]
        if missing:
            await asyncio.sleep(1.0)
    return len(missing)


async def _is_recorded(client: httpx.AsyncClient, admin_key: str, asked: Asked) -> bool:
    headers = {"X-Switchboard-Key": admin_key}
    try:
        found = await client.get(f"/v1/conversations/{asked.conversation_id}", headers=headers)
    except httpx.HTTPError:
        return False
    messages = found.json().get("messages", []) if found.status_code == 200 else []
    return any(message.get("role") in ("bot", "system", "agent") for message in messages)


async def blow(cluster: Cluster, client: httpx.AsyncClient, admin_key: str, victim: str) -> Outcome:
    """One victim, from calm to calm."""
    label = f"kill-{victim.replace(':', '-')}-{int(time.time())}"
    stream, stop = Stream(client, label), asyncio.Event()
    asking = asyncio.create_task(stream.run(stop))
    await asyncio.sleep(CALM_S)
    struck_at_s = time.monotonic()
    await strike(cluster, victim)
    await asyncio.sleep(WATCH_S)
    recovered_s = await recovery(cluster, struck_at_s)
    stop.set()
    await asking
    accepted = [each for each in stream.asked if not each.refused]
    lost = await unrecorded(client, admin_key, accepted)
    return Outcome(victim, stream.asked, struck_at_s, recovered_s, lost)


def row(outcome: Outcome) -> tuple[str, ...]:
    """The line of the table: waits are of questions that were accepted after the blow or by it."""
    late = [a for a in outcome.accepted if a.at_s + a.took_s > outcome.struck_at_s]
    waits = sorted(each.took_s for each in late) or [0.0]
    modes = Counter(str(each.answer.get("mode")) for each in late)
    refused = Counter(each.refused for each in outcome.asked if each.refused)
    return (
        outcome.victim,
        f"{statistics.median(waits):.2f}",
        f"{waits[-1]:.2f}",
        str(sum(wait > 1.0 for wait in waits)),
        ", ".join(f"{name} {count}" for name, count in modes.most_common()),
        str(sum(each.put_off for each in late)),
        ", ".join(f"{name} {count}" for name, count in refused.items()) or "0",
        f"{outcome.recovered_s:.0f}",
        str(outcome.unrecorded),
    )


async def measure(victims: tuple[str, ...], console: Console) -> bool:
    """Strike each victim; whether all recovered and nothing was lost."""
    cluster = open_cluster()
    keys = json.loads(cluster.keys_file.read_text())
    headings = ("struck", "median s", "max s", "over 1 s", "modes", "put off", "refused")
    table = Table(*headings, "well after s", "lost", title="one question each 0.5 s")
    good = True
    async with httpx.AsyncClient(
        base_url=cluster.gateway_url,
        headers={"X-Switchboard-Key": keys["widget_key"]},
        timeout=ANSWER_TIMEOUT_S,
    ) as client:
        with Live(table, console=console) as shown:  # what is known survives a failure later on
            for victim in victims:
                shown.console.print(f"striking {victim}")
                outcome = await blow(cluster, client, keys["admin_key"], victim)
                table.add_row(*row(outcome))
                good = good and outcome.recovered_s < math.inf and not outcome.unrecorded
    return good


def main(arguments: list[str]) -> None:
    """Strike those named, or all."""
    if unknown := [name for name in arguments if name not in VICTIMS]:
        sys.exit(f"unknown: {', '.join(unknown)}; there are {', '.join(VICTIMS)}")
    if not asyncio.run(measure(tuple(arguments) or VICTIMS, Console(width=150))):
        sys.exit("accepted questions were lost, or a part did not recover")


if __name__ == "__main__":
    main(sys.argv[1:])
