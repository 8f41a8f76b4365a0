"""What happens around every handler, in one order:

    decode → tracing → still wanted? → done before? → handler with retries → publish → remember

and, whatever goes wrong, a dead letter and a hand-over, so that the customer is never left waiting.
The only place that acts on the error signals of `errors.py`. Committing is the runner's: it says
`done` once the chain returns, that is, once the outputs are acknowledged.
"""

import asyncio
import itertools
import logging
import random
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from opentelemetry.trace import SpanKind

from shared import metrics
from shared.boards import StopBoard
from shared.bus.port import Bus, Message, Outgoing
from shared.clock import Clock
from shared.codec import decode
from shared.errors import InvalidEvent, Overloaded, Transient, Unavailable
from shared.events import TURN_PATH, Escalated, Event, Received, TurnEvent, dead_letter_topic
from shared.finished import FinishedWork
from shared.publisher import Publisher
from shared.service import Contract
from shared.telemetry import Tracer, extract_context
from shared.vault import Cipher

log = logging.getLogger(__name__)

LATE_ANSWER_S = 120.0  # past the deadline an answer is still shown in the open chat, for so long
MAX_ATTEMPTS = 4
RETRY_BASE_S = 0.05
RETRY_CAP_S = 1.0
OFF_PATH_PATIENCE_S = 30.0  # an event nobody waits for may be retried this long


@dataclass(frozen=True)
class ChainDeps:
    """What the chain itself leans on."""

    service: str
    bus: Bus
    finished: FinishedWork
    publisher: Publisher
    stops: StopBoard
    tracer: Tracer
    clock: Clock
    cipher: Cipher


class Chain:
    """Processes one message with one handler. Never raises except on cancellation."""

    def __init__(
        self, contract: Contract, service_deps: object, deps: ChainDeps, *, remember: bool = True
    ) -> None:
        """`remember`: keep finished ids; off for broadcast readers, who each see everything."""
        self._contract = contract
        self._remembers = remember
        self._service_deps = service_deps
        self._deps = deps
        self._labels = (deps.service, contract.name)

    async def __call__(self, message: Message, *, fresh: bool = False) -> None:
        """`fresh`: nobody can have been given this message before."""
        try:
            event = decode(message)
        except InvalidEvent as error:
            await self._bury(message, None, str(error))
            metrics.MESSAGES.labels(*self._labels, "dead_letter").inc()
            return
        waited_s = (self._deps.clock.unix_ms() - message.timestamp_ms) / 1000
        metrics.HOP_SECONDS.labels(self._deps.service, message.topic).observe(max(0.0, waited_s))
        with self._deps.tracer.span(
            f"{self._deps.service}.{self._contract.name}",
            parent=extract_context(message.headers),
            kind=SpanKind.CONSUMER,
            attributes={"messaging.destination.name": message.topic, "hop_ms": waited_s * 1000},
        ) as span:
            outcome = await self._process(message, event, fresh)
            span.set_attribute("outcome", outcome)
        metrics.MESSAGES.labels(*self._labels, outcome).inc()

    async def _process(self, message: Message, event: Event, fresh: bool) -> str:
        if unwanted := self._unwanted(event):
            return unwanted
        done_key = f"done:{self._deps.service}:{self._contract.name}:{event.event_id}"
        if self._remembers and await self._deps.finished.has(done_key, fresh=fresh):
            return "repeated"
        started_s = self._deps.clock.monotonic_s()
        try:
            await self._handle_with_retries(event, started_s)
        except Exception as error:  # the boundary: a bug in a handler must not stop the service
            log.exception("handler failed: %s.%s", *self._labels)
            await self._bury(message, event, f"{type(error).__name__}: {_safe_text(error)}")
            return "dead_letter"
        finally:
            elapsed_s = self._deps.clock.monotonic_s() - started_s
            metrics.HANDLER_SECONDS.labels(*self._labels).observe(elapsed_s)
        if self._remembers:
            self._deps.finished.add(done_key)
        return "ok"

    def _unwanted(self, event: Event) -> str:
        if not isinstance(event, TURN_PATH):
            return ""
        if self._deps.stops.has(event.turn_id):
            return "stopped"
        late_ms = self._deps.clock.unix_ms() - event.deadline_unix_ms
        return "late" if late_ms > LATE_ANSWER_S * 1000 else ""

    async def _handle_with_retries(self, event: Event, started_s: float) -> None:
        # Somebody waits behind a turn, so few attempts; an outage may last as long as patience.
        most = MAX_ATTEMPTS if isinstance(event, TURN_PATH) else sys.maxsize
        for attempt in itertools.count(1):
            try:
                await self._handle_once(event, started_s)
                return
            except (Transient, Overloaded) as error:
                pause_s = _pause_s(error, attempt)
                if attempt == most or pause_s > self._patience_s(event, started_s):
                    raise
                metrics.RETRIES.labels(*self._labels).inc()
                await asyncio.sleep(pause_s)

    def _patience_s(self, event: Event, started_s: float) -> float:
        if isinstance(event, TURN_PATH):
            return (event.deadline_unix_ms - self._deps.clock.unix_ms()) / 1000
        return OFF_PATH_PATIENCE_S - (self._deps.clock.monotonic_s() - started_s)

    async def _handle_once(self, event: Event, started_s: float) -> None:
        async for output in self._outputs(event):
            if isinstance(event, TURN_PATH) and self._deps.stops.has(event.turn_id):
                return  # closing the generator cancels what it streams from
            await self._publish(self._timed(event, output, started_s))

    async def _outputs(self, event: Event) -> AsyncIterator[Event]:
        if self._contract.streams:
            async for output in self._contract.function(event, self._service_deps):
                yield output
            return
        result = await self._contract.function(event, self._service_deps)
        for output in (result,) if isinstance(result, Event) else result or ():
            yield output

    def _timed(self, event: Event, output: Event, started_s: float) -> Event:
        if not (isinstance(output, TurnEvent) and isinstance(event, TurnEvent)):
            return output
        elapsed_ms = (self._deps.clock.monotonic_s() - started_s) * 1000
        timings = {**event.timings_ms, self._contract.step: round(elapsed_ms, 2)}
        return output.model_copy(update={"timings_ms": timings})

    async def _publish(self, event: Event) -> None:
        """Outputs of work already done are worth waiting for a broker that is coming back."""
        for attempt in range(1, 100):
            try:
                await self._deps.publisher.publish(event)
                return
            except (Unavailable, Overloaded) as error:
                log.warning("broker away, keeping %s: %s", event.topic, error)
                await asyncio.sleep(_pause_s(error, attempt))
        raise Unavailable("the broker stayed away")

    async def _bury(self, message: Message, event: Event | None, reason: str) -> None:
        """Keep the message where a person can look at it and replay it; free the customer."""
        raw = event is None or event.raw or message.topic == Received.topic
        value = self._deps.cipher.encrypt(message.value) if raw else message.value
        headers = {
            **message.headers,
            "dlq_reason": reason[:300],
            "dlq_service": self._deps.service,
            "dlq_handler": self._contract.name,
            "dlq_encrypted": "1" if raw else "0",
            "dlq_unix_ms": str(self._deps.clock.unix_ms()),
        }
        letter = Outgoing(dead_letter_topic(message.topic), message.key, value, headers)
        for attempt in range(1, 100):
            try:
                await self._deps.bus.publish([letter])
                break
            except (Unavailable, Overloaded) as error:
                await asyncio.sleep(_pause_s(error, attempt))
        if isinstance(event, TURN_PATH):
            await self._publish(_hand_over(event, self._deps.service))


def _hand_over(event: TurnEvent, service: str) -> Escalated:
    question = "" if event.raw else getattr(event, "question", getattr(event, "text", ""))
    context = () if event.raw else getattr(event, "context", ())
    return event.then(
        Escalated,
        reason=f"The {service} step failed on this message.",
        rule=f"failure.{service}",
        question=question,
        context=context,
        intent=getattr(event, "intent", ""),
    )


def _pause_s(error: Exception, attempt: int) -> float:
    if isinstance(error, Overloaded):
        return error.retry_after_s
    # Full jitter (Brooker, AWS Architecture Blog 2015): retries of many turns spread out.
    return random.uniform(0.0, min(RETRY_CAP_S, RETRY_BASE_S * 2**attempt))


def _safe_text(error: Exception) -> str:
    """Our own errors never quote a customer; others might."""
    own = isinstance(error, Transient | Overloaded | InvalidEvent)
    return str(error) if own else "see the service's log"
