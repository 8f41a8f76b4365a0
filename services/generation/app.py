"""Wires generation."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from services.generation import handlers
from services.generation.settings import GenerationSettings
from services.generation.tiers import Tier
from shared.clock import Clock
from shared.llm import open_llm
from shared.policy import GenerationTier
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load


def open_tiers(settings: GenerationSettings, clock: Clock) -> Mapping[GenerationTier, Tier]:
    """The tiers that have a URL."""
    models = {
        "small": (
            open_llm(
                settings.small_llm_url,
                model=settings.small_llm_model,
                api_key=settings.small_llm_api_key.get_secret_value(),
            ),
            settings.small_usd_per_million,
        ),
        "large": (
            open_llm(
                settings.effective_large_url,
                model=settings.large_llm_model,
                api_key=settings.large_llm_api_key.get_secret_value(),
            ),
            settings.large_usd_per_million,
        ),
    }
    return {
        name: Tier(  # type: ignore[misc]  # the keys above are tier names
            name,  # type: ignore[arg-type]
            model,
            price,
            clock,
            settings.breaker_failures,
            settings.breaker_pause_s,
        )
        for name, (model, price) in models.items()
        if model is not None
    }


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """Generation with the configured tiers."""
    settings = load(GenerationSettings)
    tiers = open_tiers(settings, runtime.clock)
    deps = handlers.Deps(settings, tiers, runtime.policy, runtime.clock)
    async with AsyncExitStack() as stack:
        for tier in tiers.values():
            stack.push_async_callback(tier.model.close)
        yield Service(
            "generation",
            deps,
            handlers=handlers.HANDLERS,
            probes={f"{name}_llm": tier.model.ping for name, tier in tiers.items()},
        )
