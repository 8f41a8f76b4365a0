"""Wires safety."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.safety import handlers
from services.safety.adapters import PresidioAnalyzer, build_presidio
from services.safety.settings import SafetySettings
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load
from shared.vault import Vault


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """Safety with Presidio warmed up."""
    settings = load(SafetySettings)
    analyzer = PresidioAnalyzer(
        build_presidio(),
        threshold=settings.pii_threshold,
        timeout_s=settings.analyzer_timeout_s,
        queue=settings.analyzer_queue,
    )
    await analyzer.spans("My name is Ada Lovelace.")  # the first analysis compiles patterns
    deps = handlers.Deps(
        settings=settings,
        analyzer=analyzer,
        vault=Vault(runtime.kv, runtime.cipher),
        policy=runtime.policy,
    )
    try:
        yield Service("safety", deps, handlers=handlers.HANDLERS)
    finally:
        analyzer.close()
