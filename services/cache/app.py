"""Wires the cache."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.cache import handlers
from services.cache.adapters import AnswerStore, Freshness, MemoryAnswerStore, RedisAnswerStore
from services.cache.settings import CacheSettings
from services.cache.verifier import BoundedVerifier, open_verifier
from shared.embeddings import open_embedder
from shared.embeddings.bounded import BoundedEmbedder
from shared.kv.redis import RedisKeyValue
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load


async def _open_store(runtime: Runtime, settings: CacheSettings) -> AnswerStore:
    freshness = Freshness(runtime.clock, settings.ttl_s, settings.ttl_jitter, settings.stale_s)
    if isinstance(runtime.kv, RedisKeyValue):
        store = RedisAnswerStore(runtime.kv, freshness, settings.max_entries)
        await store.check()
        return store
    return MemoryAnswerStore(runtime.clock, freshness, settings.max_entries)


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
        open_verifier(settings.model_dir),
        timeout_s=settings.verify_timeout_s,
        queue=settings.verify_queue,
    )
    deps = handlers.Deps(
        settings=settings,
        store=await _open_store(runtime, settings),
        embedder=embedder,
        verifier=verifier,
        policy=runtime.policy,
        clock=runtime.clock,
    )
    try:
        yield Service("cache", deps, handlers=handlers.HANDLERS, probes={"kv": runtime.kv.ping})
    finally:
        embedder.close()
        verifier.close()
