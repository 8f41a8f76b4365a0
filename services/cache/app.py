"""Wires the cache."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.cache import handlers
from services.cache.adapters import AnswerStore, Bounds, Freshness
from services.cache.api import ApiDeps, build_api
from services.cache.catalogue import Catalogue
from services.cache.deps import Deps
from services.cache.flights import Flights
from services.cache.lessons import Lessons
from services.cache.memory_store import MemoryAnswerStore
from services.cache.redis_store import RedisAnswerStore
from services.cache.settings import CacheSettings
from services.cache.sweeper import sweep_once
from services.cache.traces import Traces
from services.cache.verifier import BoundedVerifier, open_verifier
from shared.embeddings import open_embedder
from shared.embeddings.bounded import BoundedEmbedder
from shared.keys import KeyRing
from shared.kv.redis import RedisKeyValue
from shared.periodic import Periodic
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load


async def _open_store(runtime: Runtime, settings: CacheSettings) -> AnswerStore:
    freshness = Freshness(runtime.clock, settings.ttl_s, settings.ttl_jitter, settings.stale_s)
    bounds = Bounds(settings.max_entries)
    if isinstance(runtime.kv, RedisKeyValue):
        store = RedisAnswerStore(runtime.kv, freshness, bounds)
        await store.check()
        return store
    return MemoryAnswerStore(runtime.clock, freshness, bounds)


def _flights(runtime: Runtime, settings: CacheSettings) -> Flights:
    return Flights(
        runtime.kv,
        longest_wait_s=settings.flight_wait_s,
        alone_s=settings.flight_alone_s,
        max_followers=settings.flight_followers,
    )


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """The cache, its embedder warmed up."""
    settings = load(CacheSettings)
    embedder = BoundedEmbedder(
        open_embedder(runtime.settings.embedder_url),
        timeout_s=settings.embed_timeout_s,
        queue=settings.embed_queue,
    )
    await embedder.embed("warm up")
    verifier = BoundedVerifier(
        open_verifier(settings.model_dir, threads=settings.verify_threads),
        timeout_s=settings.verify_timeout_s,
        queue=settings.verify_queue,
    )
    store = await _open_store(runtime, settings)
    keys = KeyRing.open(runtime.settings)
    deps = Deps(
        settings=settings,
        store=store,
        embedder=embedder,
        verifier=verifier,
        flights=_flights(runtime, settings),
        traces=Traces(runtime.kv),
        lessons=Lessons(runtime.kv),
        catalogue=Catalogue(),
        policy=runtime.policy,
        clock=runtime.clock,
    )
    sweep = partial(sweep_once, store, keys.tenants())
    sweeper = Periodic("sweep", sweep, settings.sweep_every_s)
    try:
        yield Service(
            "cache",
            deps,
            handlers=handlers.HANDLERS,
            replayed=handlers.REPLAYED,
            probes={"kv": runtime.kv.ping},
            api=build_api(ApiDeps(store, keys, runtime.publisher, runtime.clock)),
            start=sweeper.start,
            stop=sweeper.stop,
        )
    finally:
        embedder.close()
        verifier.close()
