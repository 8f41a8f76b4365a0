"""What agents did goes out in the order it was decided, now or when the broker is back."""

import asyncio
import logging
from typing import Protocol

from sqlalchemy import delete, select

from services.escalation.tables import outbox
from shared.codec import EVENT_BY_TOPIC
from shared.database import Database
from shared.errors import Overloaded, Unavailable
from shared.events import Event

log = logging.getLogger(__name__)

BATCH = 100


class Sender(Protocol):
    """Gets events to the broker, or raises Unavailable or Overloaded."""

    async def publish(self, *events: Event, timeout_s: float = 5.0) -> object: ...


class Outbox:
    """Sends what the outbox table holds and deletes what the broker acknowledged.

    A crash between the two sends again: ids are derived, so readers drop the repeat.
    """

    def __init__(self, database: Database, sender: Sender, retry_s: float) -> None:
        self._database = database
        self._sender = sender
        self._retry_s = retry_s
        self._due = asyncio.Event()
        self._closed = False

    def ring(self) -> None:
        """There is something to send."""
        self._due.set()

    async def flush(self) -> int:
        """Send what is there; how many events went out. Raises Unavailable or Overloaded."""
        sent = 0
        while letters := await self._letters():
            await self._sender.publish(*(event for _, event in letters))
            numbers = [number for number, _ in letters]
            async with self._database.writing() as connection:
                await connection.execute(delete(outbox).where(outbox.c.number.in_(numbers)))
            sent += len(letters)
        return sent

    async def _letters(self) -> list[tuple[int, Event]]:
        statement = select(outbox).order_by(outbox.c.number).limit(BATCH)
        async with self._database.reading() as connection:
            rows = (await connection.execute(statement)).all()
        return [
            (row.number, EVENT_BY_TOPIC[row.topic].model_validate_json(row.value)) for row in rows
        ]

    async def run(self) -> None:
        """Send until closed; starts with what a crash may have left behind."""
        while not self._closed:
            self._due.clear()
            try:
                await self.flush()
            except (Unavailable, Overloaded) as error:
                log.warning("outbox waits: %s", error)
                self._due.set()
                await asyncio.sleep(self._retry_s)
            await self._due.wait()

    def close(self) -> None:
        """Let `run` end after what it is at: a database call cut short loses its connection."""
        self._closed = True
        self._due.set()
