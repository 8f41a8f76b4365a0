"""Runs services: a `Worker` feeds messages to handlers, a `Process` adds HTTP, health and control.

Start: boards hear the policy in force → workers join their groups → ready.
Stop (SIGTERM): not ready → stop fetching → finish what is in flight → commit → close dependencies.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from shared import metrics
from shared.boards import PolicyBoard, StopBoard
from shared.bus.port import Bus, Message, Subscription, TopicSpec
from shared.chain import Chain, ChainDeps
from shared.clock import Clock
from shared.errors import Unavailable
from shared.events import Event, HealthReported, PolicyChanged, TurnStopped
from shared.finished import FinishedWork
from shared.identity import address_of, instance_name, is_successor, port_of
from shared.kv.port import KeyValue
from shared.publisher import Publisher
from shared.service import HandlerFunction, Service, contract_of
from shared.settings import Settings
from shared.telemetry import Tracer
from shared.vault import Cipher

log = logging.getLogger(__name__)

DRAIN_S = 10.0  # a supervisor waits longer than this before it kills
READY_TIMEOUT_S = 60.0
# A group deals within seconds. kafka-python was seen to sit in a rebalance for ever, beside an idle
# machine; the process then ends, and its supervisor starts another, which is dealt at once.
JOIN_TIMEOUT_S = 30.0
HEALTH_EVERY_S = 1.0
PROBE_TIMEOUT_S = 0.8


@dataclass(frozen=True)
class Runtime:
    """What exists in a process before any service does; `app.py` builds Deps from it."""

    service: str
    settings: Settings
    bus: Bus
    kv: KeyValue
    clock: Clock
    policy: PolicyBoard
    stops: StopBoard
    tracer: Tracer
    cipher: Cipher
    publisher: Publisher
    finished: FinishedWork
    instance: str

    @classmethod
    def open(
        cls, service: str, settings: Settings, bus: Bus, kv: KeyValue, clock: Clock
    ) -> "Runtime":
        """The runtime of one service; bus and store may be shared with others in the process."""
        policy = PolicyBoard()
        durable = settings.bus_url.partition(":")[0] != "memory"
        return cls(
            service=service,
            settings=settings,
            bus=bus,
            kv=kv,
            clock=clock,
            policy=policy,
            stops=StopBoard(),
            tracer=Tracer(service, settings.var_dir / "traces" if durable else None),
            cipher=Cipher(settings.secret_key.get_secret_value()),
            publisher=Publisher(bus, policy, service),
            finished=FinishedWork(kv),
            instance=instance_name(service, port_of(service, settings)),
        )

    def chain_deps(self, service: str | None = None) -> ChainDeps:
        """The chain's own dependencies, working as `service`."""
        return ChainDeps(
            service=service or self.service,
            bus=self.bus,
            finished=self.finished,
            publisher=self.publisher,
            stops=self.stops,
            tracer=self.tracer,
            clock=self.clock,
            cipher=self.cipher,
        )


class Worker:
    """Members of a service's consumer groups: many conversations at once, each in its order."""

    def __init__(self, service: Service, runtime: Runtime) -> None:
        self._service = service
        self._runtime = runtime
        self._subscriptions: list[Subscription] = []
        self._readers: list[asyncio.Task[None]] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self.handled = 0

    async def start(self) -> None:
        """Join the groups; returns once fetching has begun."""
        await self.join()
        await asyncio.gather(*(s.positioned(JOIN_TIMEOUT_S) for s in self._subscriptions))

    async def join(self) -> None:
        """Join the groups; fetching begins in the background."""
        if self._service.handlers:
            await self._evict_predecessor(self._service.name)
        self._read(self._service.handlers, self._service.name, "earliest")
        self._read(self._service.broadcast, None, "latest")
        self._read(self._service.replayed, None, "earliest")

    async def _evict_predecessor(self, group: str) -> None:
        """What was killed in our place would keep its partitions until its session ends."""
        bus, instance = self._runtime.bus, self._runtime.instance
        with suppress(Unavailable):  # then they wait for that
            found = await bus.members(group)
            if dead := [name for name in found if is_successor(instance, name)]:
                await bus.evict(group, dead)

    def _read(self, functions: Sequence[HandlerFunction], group: str | None, start: str) -> None:
        if not functions:
            return
        deps = self._runtime.chain_deps(self._service.name)
        contracts = [contract_of(function) for function in functions]
        chains: dict[str, list[Chain]] = {}
        for contract in contracts:
            chain = Chain(contract, self._service.deps, deps, remember=group is not None)
            chains.setdefault(contract.consumes.topic, []).append(chain)
        subscription = self._runtime.bus.subscribe(
            list(chains),
            group,
            start="earliest" if start == "earliest" else "latest",
            max_in_flight=self._service.max_in_flight,
            member=self._runtime.instance,
        )
        self._subscriptions.append(subscription)
        self._readers.append(asyncio.create_task(self._consume(subscription, chains)))

    async def _consume(self, subscription: Subscription, chains: dict[str, list[Chain]]) -> None:
        lanes: dict[str, asyncio.Task[None]] = {}  # key → its newest message in flight
        async for message in subscription:
            before = lanes.get(message.key)
            work = self._handle(message, before, chains[message.topic], subscription)
            task = asyncio.create_task(work)
            lanes[message.key] = task
            self._in_flight.add(task)
            metrics.IN_FLIGHT.labels(self._service.name).inc()
            task.add_done_callback(self._in_flight.discard)
            task.add_done_callback(partial(_leave_lane, lanes, message.key))

    async def _handle(
        self,
        message: Message,
        before: asyncio.Task[None] | None,
        chains: Sequence[Chain],
        subscription: Subscription,
    ) -> None:
        try:
            if before is not None:
                await asyncio.wait([before])
            for chain in chains:
                await chain(message, fresh=subscription.is_fresh(message))
            subscription.done(message)
            self.handled += 1
        finally:
            metrics.IN_FLIGHT.labels(self._service.name).dec()

    def failure(self) -> BaseException | None:
        """Why a reader ended, if one did: the process must not go on deaf."""
        for reader in self._readers:
            if reader.done() and not reader.cancelled() and reader.exception():
                return reader.exception()
        return None

    async def stop(self) -> None:
        """Finish what is in flight within DRAIN_S, commit, leave the groups."""
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        if self._in_flight:
            _, unfinished = await asyncio.wait(set(self._in_flight), timeout=DRAIN_S)
            for task in unfinished:  # not done: redelivered to whoever comes next
                task.cancel()
        for subscription in self._subscriptions:
            await subscription.close()


def _leave_lane(lanes: dict[str, asyncio.Task[None]], key: str, task: asyncio.Task[None]) -> None:
    if lanes.get(key) is task:
        del lanes[key]
    if not task.cancelled() and task.exception() is not None:
        log.error("a message was not finished", exc_info=task.exception())


@dataclass
class Controls:
    """Handler dependencies of the control topics that every process follows."""

    policy: PolicyBoard
    stops: StopBoard
    service: str
    modes: set[str] = field(default_factory=set)


async def follow_policy(event: PolicyChanged, deps: Controls) -> None:
    """Work by the newest policy from now on."""
    if not deps.policy.post(event):
        return
    for mode in deps.modes:
        metrics.POLICY_MODE.labels(deps.service, mode).set(0)
    deps.modes.add(event.policy.mode)
    metrics.POLICY_MODE.labels(deps.service, event.policy.mode).set(1)


async def heed_stop(event: TurnStopped, deps: Controls) -> None:
    """Do no more work for a turn that its customer stopped."""
    deps.stops.post(event.turn_id)


class Host:
    """One running service: its worker, its control topics, its health reports."""

    def __init__(self, service: Service, runtime: Runtime) -> None:
        controls = Controls(runtime.policy, runtime.stops, service.name)
        self.service = service
        self.runtime = runtime
        self._control = Worker(
            Service(service.name, controls, broadcast=(heed_stop,), replayed=(follow_policy,)),
            runtime,
        )
        self.worker = Worker(service, runtime)
        # Everybody's chain leans on the store; the probe also closes its breaker again.
        self._probes = {"kv": runtime.kv.ping, **service.probes}
        self._reporter: asyncio.Task[None] | None = None
        self.dependencies: dict[str, bool] = {}
        self.ready = False

    async def create_topics(self, topics: Sequence[TopicSpec]) -> None:
        """Make sure of the topics; waits for a broker that is still coming up."""
        await self.runtime.bus.create_topics(topics, timeout_s=READY_TIMEOUT_S)

    async def start(self) -> None:
        """Come up; `ready` is true when it returns."""
        await self._control.start()
        if self.service.start is not None:
            await self.service.start()
        await self.worker.start()
        self._reporter = asyncio.create_task(self._report())
        self.ready = True

    async def _report(self) -> None:
        while True:
            self.dependencies = await self._probe()
            if failure := self.worker.failure() or self._control.failure():
                self.ready = False
                log.error("a reader ended, this process must be restarted", exc_info=failure)
            else:
                with suppress(Exception):  # no broker: the controller notices the silence
                    await self.runtime.publisher.publish(self._health(), timeout_s=1.0)
            await asyncio.sleep(HEALTH_EVERY_S)

    async def _probe(self) -> dict[str, bool]:
        async def ask(name: str) -> tuple[str, bool]:
            try:
                return name, await asyncio.wait_for(self._probes[name](), PROBE_TIMEOUT_S)
            except Exception:  # whatever a probe runs into means: not reachable
                return name, False

        return dict(await asyncio.gather(*map(ask, self._probes)))

    def _health(self) -> Event:
        settings = self.runtime.settings
        port = port_of(self.service.name, settings)
        return HealthReported(
            tenant_id="-",
            service=self.service.name,
            instance=self.runtime.instance,
            dependencies=self.dependencies,
            handled=self.worker.handled,
            address=address_of(port, settings.bind_host),
            reported_unix_ms=self.runtime.clock.unix_ms(),
        )

    async def stop(self) -> None:
        """Drain and leave, in the order of the module's docstring."""
        self.ready = False
        if self._reporter is not None:
            self._reporter.cancel()
        await self.worker.stop()
        if self.service.stop is not None:
            await self.service.stop()
        await self._control.stop()
        await self.runtime.finished.close()
        self.runtime.tracer.close()
