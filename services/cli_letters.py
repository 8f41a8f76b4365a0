"""Dead letters: reading them, and sending their originals again. The commands are `cli_dlq.py`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from infra.local.credentials import secret_of
from shared.bus.port import Bus, Message, Outgoing
from shared.errors import SwitchboardError
from shared.events import dead_letter_topic
from shared.vault import Cipher

POSITION_TIMEOUT_S = 20.0
QUIET_S = 1.5  # nothing for so long: caught up


@dataclass(frozen=True)
class Letter:
    """A dead letter; `name` is topic:partition:offset."""

    message: Message

    @property
    def name(self) -> str:
        """Unique, and the same every time."""
        return f"{self.topic}:{self.message.partition}:{self.message.offset}"

    @property
    def topic(self) -> str:
        """Where the message was read when it failed, and goes again."""
        return self.message.topic.removesuffix(dead_letter_topic(""))

    @property
    def encrypted(self) -> bool:
        """Whether the value is a secret."""
        return self.message.headers.get("dlq_encrypted") == "1"

    def original(self, cipher: Cipher) -> Outgoing:
        """The message as it was. Raises InvalidEvent under another SECRET_KEY."""
        value = cipher.decrypt(self.message.value) if self.encrypted else self.message.value
        headers = {k: v for k, v in self.message.headers.items() if not k.startswith("dlq_")}
        return Outgoing(self.topic, self.message.key, value, headers)

    def facts(self, replayed: Collection[str]) -> dict[str, Any]:
        """What can be told without its content."""
        headers = self.message.headers
        when_ms = headers.get("dlq_unix_ms", "")
        at_ms = int(when_ms) if when_ms.isdigit() else self.message.timestamp_ms
        return {
            "letter": self.name,
            "when": datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds"),
            "handler": f"{headers.get('dlq_service', '?')}.{headers.get('dlq_handler', '?')}",
            "reason": headers.get("dlq_reason", ""),
            "bytes": len(self.message.value),
            "encrypted": self.encrypted,
            "replayed": self.name in replayed,
        }


@dataclass(frozen=True)
class Office:
    """Where dead letters are: a bus, the secret, and the list of those replayed."""

    open: Callable[[], Awaitable[Bus]]
    cipher: Cipher
    marks: Path
    quiet_s: float = QUIET_S

    def replayed(self) -> set[str]:
        """Names of the letters that were replayed before."""
        return set(self.marks.read_text().split()) if self.marks.exists() else set()

    def mark(self, letter: Letter) -> None:
        """Remember one as replayed."""
        self.marks.parent.mkdir(parents=True, exist_ok=True)
        with self.marks.open("a") as file:
            file.write(f"{letter.name}\n")


def office_of(context: typer.Context) -> Office:
    """The one handed in, or that of this machine's cluster. Raises ConfigurationError."""
    if isinstance(context.obj, Office):
        return context.obj
    from infra.local.cluster import open_cluster
    from shared.bus import open_bus

    cluster = open_cluster()
    secret = cluster.settings.secret_key.get_secret_value()
    if (cluster.var / "secret.env").exists():  # looking must not make a new secret
        secret = secret_of(cluster.var, secret)

    async def opened() -> Bus:
        return open_bus(cluster.bus_url, client_id="switchboard-dlq")

    return Office(opened, Cipher(secret), cluster.var / "dlq-replayed.txt")


async def letters(bus: Bus, topics: Sequence[str], quiet_s: float) -> AsyncIterator[Letter]:
    """Every dead letter that there is now, oldest first within each topic. Raises Unavailable."""
    subscription = bus.subscribe([dead_letter_topic(topic) for topic in topics], None)
    try:
        await subscription.positioned(POSITION_TIMEOUT_S)
        messages = aiter(subscription)
        while True:
            try:
                message = await asyncio.wait_for(anext(messages), quiet_s)
            except (TimeoutError, StopAsyncIteration):
                return
            subscription.done(message)
            yield Letter(message)
    finally:
        await subscription.close()


async def gathered(office: Office, topics: Sequence[str], wanted: Collection[str]) -> list[Letter]:
    """The letters named; all of them when none is."""
    bus = await office.open()
    try:
        return [
            letter
            async for letter in letters(bus, topics, office.quiet_s)
            if not wanted or letter.name in wanted
        ]
    finally:
        await bus.close()


async def replay_all(office: Office, chosen: Sequence[Letter]) -> list[str]:
    """Publish each letter's original once, and mark it; reasons of those that could not be."""
    failures = []
    seen = office.replayed()
    bus = await office.open()
    try:
        for letter in chosen:
            if letter.name in seen:
                continue
            seen.add(letter.name)
            try:
                await bus.publish([letter.original(office.cipher)], timeout_s=10.0)
            except SwitchboardError as error:
                failures.append(f"{letter.name}: {error}")
            else:
                office.mark(letter)
    finally:
        await bus.close()
    return failures
