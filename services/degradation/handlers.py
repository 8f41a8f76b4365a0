"""Watch health, choose the policy."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Protocol

from services.degradation import core
from services.degradation.settings import DegradationSettings
from services.degradation.understudies import Cover
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.events import HealthReported, PolicyChanged
from shared.policy import Policy

log = logging.getLogger(__name__)

_STALE_REPORT_S = 5.0  # what waited in the topic while nobody watched says nothing about now
_KNOCK_EVERY_S = 0.5


class Doors(Protocol):
    """Tells the dead from the slow."""

    async def is_shut(self, address: str) -> bool:
        """Whether the machine at `host:port` answers that nobody listens there."""
        ...


class Groups(Protocol):
    """The consumer groups of all services."""

    async def evict(self, service: str, instance: str) -> bool:
        """Free the partitions of an instance; False if the broker could not be asked."""
        ...


@dataclass
class Watch:
    """The controller's memory, and the mode an operator holds it in."""

    state: core.State
    forced_mode: str = ""
    announced: Policy | None = None
    knocked_s: dict[str, float] = field(default_factory=dict)  # instance → when last
    evicted: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Deps:
    """What the controller needs."""

    settings: DegradationSettings
    watch: Watch
    understudies: Cover
    doors: Doors
    groups: Groups
    policy: PolicyBoard
    clock: Clock


async def observe(event: HealthReported, deps: Deps) -> PolicyChanged | None:
    """Take one report in; say so when the policy changes. Its own reports keep it looking."""
    if deps.clock.unix_ms() - event.reported_unix_ms > _STALE_REPORT_S * 1000:
        return None
    now_s = deps.clock.monotonic_s()
    report = core.Report(event.service, event.dependencies, now_s, event.address)
    deps.watch.state = core.heard(deps.watch.state, event.instance, report)
    deps.watch.evicted.discard(event.instance)
    await _knock(deps)
    await _evict_the_dead(deps)
    return _decide(deps)


async def _knock(deps: Deps) -> None:
    """See whether the silent are dead. Reports are taken in meanwhile."""
    watch, now_s = deps.watch, deps.clock.monotonic_s()
    doubtful = core.in_doubt(watch.state, now_s, deps.settings.doubt_s)
    watch.knocked_s = {name: at_s for name, at_s in watch.knocked_s.items() if name in doubtful}
    due = [name for name in doubtful if now_s - watch.knocked_s.get(name, 0.0) > _KNOCK_EVERY_S]
    watch.knocked_s.update(dict.fromkeys(due, now_s))
    shut = await asyncio.gather(*(deps.doors.is_shut(doubtful[name]) for name in due))
    dead = {name for name, is_shut in zip(due, shut, strict=True) if is_shut}
    watch.state = core.pronounced_dead(watch.state, dead)


async def _evict_the_dead(deps: Deps) -> None:
    """A dead member keeps its partitions until its session ends; nobody waits that long."""
    watch, now_s = deps.watch, deps.clock.monotonic_s()
    gone = core.departed(watch.state, now_s, deps.settings.silent_s)
    watch.evicted &= gone.keys()
    for instance in gone.keys() - watch.evicted:
        watch.evicted.add(instance)  # before the wait: other reports are being taken in
        if not await deps.groups.evict(gone[instance], instance):
            watch.evicted.discard(instance)


def _decide(deps: Deps) -> PolicyChanged | None:
    settings, watch, now_s = deps.settings, deps.watch, deps.clock.monotonic_s()
    found = core.troubles(watch.state, now_s, settings.silent_s, settings.grace_s)
    watch.state = core.next_state(
        watch.state, found, now_s, settings.down_after_s, settings.up_after_s
    )
    # Not every death changes the policy: nobody steps past safety.
    deps.understudies.cover(core.to_cover(watch.state.active))
    policy = core.next_policy(watch.state.active, watch.forced_mode).model_copy(
        update={"answer_rules": settings.answer_rules}
    )
    if policy == watch.announced:
        return None
    watch.announced = policy
    reason = ", ".join(sorted(watch.state.active)) or "all is well"
    log.warning("mode %s: %s", policy.mode, reason)
    return PolicyChanged(
        tenant_id="-", policy=policy, reason=reason, changed_unix_ms=deps.clock.unix_ms()
    )


HANDLERS = (observe,)
BROADCAST = ()
REPLAYED = ()
