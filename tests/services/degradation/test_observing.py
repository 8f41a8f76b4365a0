"""The controller at work, on hand-built doors, groups and understudies."""

import asyncio
from dataclasses import dataclass, field

import pytest

from services.degradation.adapters import BusGroups, TcpDoors
from services.degradation.core import State
from services.degradation.handlers import Deps, Watch, observe
from services.degradation.settings import DegradationSettings
from shared.boards import PolicyBoard
from shared.bus.memory import MemoryBus
from shared.errors import Unavailable
from shared.events import HealthReported, PolicyChanged

INTENT = "intent-host-8083-1"


@dataclass
class HandClock:
    now_s: float = 1000.0

    def monotonic_s(self) -> float:
        return self.now_s

    def unix_ms(self) -> int:
        return int(self.now_s * 1000)


@dataclass
class Doors:
    shut: set[str] = field(default_factory=set)
    knocks: list[str] = field(default_factory=list)

    async def is_shut(self, address: str) -> bool:
        self.knocks.append(address)
        await asyncio.sleep(0)
        return address in self.shut


@dataclass
class Groups:
    evicted: list[tuple[str, str]] = field(default_factory=list)
    reachable: bool = True

    async def evict(self, service: str, instance: str) -> bool:
        self.evicted.append((service, instance))
        return self.reachable


@dataclass
class Understudies:
    covered: frozenset[str] = frozenset()

    def cover(self, services: frozenset[str]) -> None:
        self.covered = services


@dataclass
class World:
    clock: HandClock = field(default_factory=HandClock)
    doors: Doors = field(default_factory=Doors)
    groups: Groups = field(default_factory=Groups)
    understudies: Understudies = field(default_factory=Understudies)

    def __post_init__(self) -> None:
        self.deps = Deps(
            settings=DegradationSettings(),
            watch=Watch(State(started_s=self.clock.now_s)),
            understudies=self.understudies,
            doors=self.doors,
            groups=self.groups,
            policy=PolicyBoard(),
            clock=self.clock,
        )

    async def hear(self, instance: str = INTENT, *, after_s: float = 0.0) -> PolicyChanged | None:
        self.clock.now_s += after_s
        service, _, port, _ = instance.split("-")
        report = HealthReported(
            tenant_id="-",
            service=service,
            instance=instance,
            address=f"127.0.0.1:{port}",
            reported_unix_ms=self.clock.unix_ms(),
        )
        return await observe(report, self.deps)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_killed_service_is_bypassed_covered_and_evicted_within_a_second(
    world: World,
) -> None:
    await world.hear()
    world.doors.shut.add("127.0.0.1:8083")
    changed = await world.hear("cache-host-8082-1", after_s=0.7)
    assert changed is not None
    assert changed.policy.bypassed == {"intent"}
    assert world.understudies.covered == {"intent"}
    assert world.groups.evicted == [("intent", INTENT)]


async def test_a_killed_safety_is_covered_although_the_policy_stays(world: World) -> None:
    await world.hear("safety-host-8081-1")
    world.doors.shut.add("127.0.0.1:8081")
    assert await world.hear("cache-host-8082-1", after_s=0.7) is None
    assert world.understudies.covered == {"safety"}


async def test_a_slow_service_whose_port_answers_is_left_alone(world: World) -> None:
    await world.hear()
    await world.hear("cache-host-8082-1", after_s=0.7)
    assert world.doors.knocks == ["127.0.0.1:8083"]
    assert await world.hear("cache-host-8082-1", after_s=1.0) is None
    assert (world.groups.evicted, world.understudies.covered) == ([], frozenset())


async def test_knocking_is_not_repeated_with_every_report(world: World) -> None:
    await world.hear()
    for _ in range(5):
        await world.hear("cache-host-8082-1", after_s=0.65 if not world.doors.knocks else 0.05)
    assert len(world.doors.knocks) == 1


async def test_the_dead_are_evicted_once(world: World) -> None:
    await world.hear()
    world.doors.shut.add("127.0.0.1:8083")
    for _ in range(4):
        await world.hear("cache-host-8082-1", after_s=0.7)
    assert world.groups.evicted == [("intent", INTENT)]


async def test_an_eviction_that_the_broker_did_not_hear_is_tried_again(world: World) -> None:
    await world.hear()
    world.doors.shut.add("127.0.0.1:8083")
    world.groups.reachable = False
    await world.hear("cache-host-8082-1", after_s=0.7)
    world.groups.reachable = True
    await world.hear("cache-host-8082-1", after_s=0.1)
    await world.hear("cache-host-8082-1", after_s=0.1)
    assert world.groups.evicted == [("intent", INTENT)] * 2


async def test_a_service_that_hangs_is_covered_and_evicted_after_its_silence(world: World) -> None:
    await world.hear()
    for _ in range(5):
        await world.hear("cache-host-8082-1", after_s=1.0)
    await world.hear("cache-host-8082-1", after_s=0.1)
    assert world.understudies.covered == {"intent"}
    assert world.groups.evicted == [("intent", INTENT)]


async def test_the_successor_brings_full_service_back(world: World) -> None:
    await world.hear()
    world.doors.shut.add("127.0.0.1:8083")
    await world.hear("cache-host-8082-1", after_s=0.7)
    world.doors.shut.clear()
    changes = []
    for _ in range(8):
        changes.append(await world.hear("intent-host-8083-2", after_s=0.9))
        changes.append(await world.hear("cache-host-8082-1", after_s=0.1))
    [back] = [change for change in changes if change]
    assert back.policy.mode == "full"
    assert world.understudies.covered == frozenset()


async def test_reports_from_before_an_outage_say_nothing(world: World) -> None:
    late = HealthReported(tenant_id="-", service="intent", instance=INTENT, reported_unix_ms=1_000)
    assert await observe(late, world.deps) is None
    assert world.deps.watch.state.reports == {}


async def test_a_closed_port_is_shut_and_an_open_one_is_not() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert not await TcpDoors().is_shut(address)
    server.close()
    await server.wait_closed()
    assert await TcpDoors().is_shut(address)


async def test_an_address_nobody_can_reach_proves_nothing() -> None:
    assert not await TcpDoors().is_shut("no-such-host.invalid:80")
    assert not await TcpDoors().is_shut("")


async def test_a_dead_controller_leaves_the_groups_it_stood_in_for_as_well() -> None:
    bus = MemoryBus()
    held = [bus.subscribe(["t"], group, member="degradation-host-8087-1") for group in
            ("degradation", "cache")]  # fmt: skip
    assert await BusGroups(bus).evict("degradation", "degradation-host-8087-1")
    assert [await bus.members(group) for group in ("degradation", "cache")] == [[], []]
    for subscription in held:
        await subscription.close()


async def test_a_broker_that_is_away_is_no_error_but_said() -> None:
    class Away(MemoryBus):
        async def evict(self, group: str, members: object) -> None:
            raise Unavailable("away")

    assert not await BusGroups(Away()).evict("cache", "cache-host-8082-1")
