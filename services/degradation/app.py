"""Wires the degradation controller."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.degradation import api, core, handlers
from services.degradation.adapters import BusGroups, TcpDoors
from services.degradation.settings import DegradationSettings
from services.degradation.understudies import UnderstudyWorkers
from shared.errors import ConfigurationError
from shared.keys import KeyRing
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """The controller and its understudies."""
    settings = load(DegradationSettings)
    if settings.forced_mode and settings.forced_mode not in core.ROUTES:
        known = ", ".join(core.ROUTES)
        raise ConfigurationError(
            f"DEGRADATION_FORCED_MODE={settings.forced_mode!r}: expected one of {known}"
        )
    understudies = UnderstudyWorkers(runtime)
    watch = handlers.Watch(
        core.State(started_s=runtime.clock.monotonic_s()), forced_mode=settings.forced_mode
    )
    deps = handlers.Deps(
        settings=settings,
        watch=watch,
        understudies=understudies,
        doors=TcpDoors(),
        groups=BusGroups(runtime.bus),
        policy=runtime.policy,
        clock=runtime.clock,
    )
    keys = KeyRing.open(runtime.settings)

    yield Service(
        "degradation",
        deps,
        handlers=handlers.HANDLERS,
        api=api.build_api(deps, keys),
        stop=understudies.close,
    )
