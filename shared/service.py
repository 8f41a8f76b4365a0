"""A service is a name, handlers and their dependencies; its contract is read from signatures.

`async def route(event: Missed, deps: Deps) -> Routed | Escalated` says all there is to say: this
service consumes the topic of `Missed` and produces those of `Routed` and `Escalated`. A handler
that streams returns `AsyncIterator[Drafted]`. Subscriptions, `docs/flow.md` and the AsyncAPI
document are derived from this, never written twice.
"""

import inspect
import types
import typing
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

from shared.events import Event

NAMES = (  # in the order a turn meets them; also the order of their ports
    "gateway",
    "safety",
    "cache",
    "intent",
    "retrieval",
    "generation",
    "escalation",
    "degradation",
    "history",
)

HandlerFunction = Callable[..., Any]
Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Contract:
    """What a handler's signature says."""

    name: str
    function: HandlerFunction
    consumes: type[Event]
    produces: tuple[type[Event], ...]
    streams: bool

    @property
    def step(self) -> str:
        """The step's name in timings and traces."""
        return self.name


def contract_of(function: HandlerFunction) -> Contract:
    """Read a handler's contract. Raises TypeError naming the handler and what is wrong with it."""
    hints = typing.get_type_hints(function)
    parameters = list(inspect.signature(function).parameters)
    if parameters[:2] != ["event", "deps"] or "return" not in hints:
        raise TypeError(f"{function.__qualname__}: expected (event: SomeEvent, deps: Deps) -> …")
    consumes = hints["event"]
    if not (isinstance(consumes, type) and issubclass(consumes, Event)):
        raise TypeError(f"{function.__qualname__}: `event` must be one event type, not {consumes}")
    produces, streams = _outputs(hints["return"])
    return Contract(function.__name__, function, consumes, produces, streams)


def _outputs(annotation: Any) -> tuple[tuple[type[Event], ...], bool]:
    if typing.get_origin(annotation) is AsyncIterator:
        return _outputs(typing.get_args(annotation)[0])[0], True
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        options = typing.get_args(annotation)
    else:
        options = (annotation,)
    events: list[type[Event]] = []
    for option in options:
        if typing.get_origin(option) in (list, tuple, Sequence):
            events.extend(_outputs(typing.get_args(option)[0])[0])
        elif option is not type(None):
            events.append(option)
    return tuple(events), False


@dataclass(frozen=True)
class Service:
    """One service, ready to be run by `Runner`. Built only in the service's `app.py`.

    Attributes:
        handlers: work that one process of the service does (shared consumer group).
        broadcast: what every process must see itself (no group, from the latest offset).
        replayed: like broadcast, but from the earliest offset: compacted topics as state.
        probes: name of a dependency → whether it answers; reported once a second.
        api: HTTP beside /healthz, /readyz and /metrics, where the service has any.
        start, stop: background work of the service; `stop` runs after the handlers are drained.
    """

    name: str
    deps: object
    handlers: tuple[HandlerFunction, ...] = ()
    broadcast: tuple[HandlerFunction, ...] = ()
    replayed: tuple[HandlerFunction, ...] = ()
    probes: Mapping[str, Probe] = field(default_factory=dict)
    api: FastAPI | None = None
    start: Callable[[], Awaitable[None]] | None = None
    stop: Callable[[], Awaitable[None]] | None = None
    max_in_flight: int = 64
