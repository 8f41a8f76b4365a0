"""Watch health, choose the policy."""

import logging
from dataclasses import dataclass

from services.degradation import core
from services.degradation.settings import DegradationSettings
from services.degradation.understudies import Cover
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.events import HealthReported, PolicyChanged
from shared.policy import Policy

log = logging.getLogger(__name__)

_STALE_REPORT_S = 5.0  # what waited in the topic while nobody watched says nothing about now


@dataclass
class Watch:
    """The controller's memory, and the mode an operator holds it in."""

    state: core.State
    forced_mode: str = ""
    announced: Policy | None = None


@dataclass(frozen=True)
class Deps:
    """What the controller needs."""

    settings: DegradationSettings
    watch: Watch
    understudies: Cover
    policy: PolicyBoard
    clock: Clock


async def observe(event: HealthReported, deps: Deps) -> PolicyChanged | None:
    """Take one report in; say so when the policy changes. Its own reports keep it looking."""
    settings, watch, now_s = deps.settings, deps.watch, deps.clock.monotonic_s()
    if deps.clock.unix_ms() - event.reported_unix_ms > _STALE_REPORT_S * 1000:
        return None
    report = core.Report(event.service, event.dependencies, now_s)
    state = core.heard(watch.state, event.instance, report)
    found = core.troubles(state, now_s, settings.silent_s, settings.grace_s)
    watch.state = core.next_state(state, found, now_s, settings.down_after_s, settings.up_after_s)
    policy = core.next_policy(watch.state.active, watch.forced_mode)
    if policy == watch.announced:
        return None
    watch.announced = policy
    await deps.understudies.cover(core.to_cover(watch.state.active))
    reason = ", ".join(sorted(watch.state.active)) or "all is well"
    log.warning("mode %s: %s", policy.mode, reason)
    return PolicyChanged(
        tenant_id="-", policy=policy, reason=reason, changed_unix_ms=deps.clock.unix_ms()
    )


HANDLERS = (observe,)
BROADCAST = ()
REPLAYED = ()
