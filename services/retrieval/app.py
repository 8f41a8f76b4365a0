"""Wires retrieval."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.retrieval import handlers
from services.retrieval.adapters import (
    BoundedSearch,
    CeleryJobs,
    InlineJobs,
    KeyValueSubmissions,
    StoreIndex,
)
from services.retrieval.rerank import open_reranker
from services.retrieval.search import Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings import open_embedder
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load
from shared.vectors import open_vectors


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """Retrieval over the configured store, its models warmed up."""
    settings = load(RetrievalSettings)
    embedder = open_embedder(runtime.settings.embedder_url, threads=runtime.settings.cpu_threads)
    store = open_vectors(runtime.settings.vectors_url, dimensions=embedder.dimensions)
    index = StoreIndex(store, embedder.name, settings.index_timeout_s)
    reranker = open_reranker(settings.reranker_dir, threads=runtime.settings.cpu_threads)
    search = BoundedSearch(Searcher(embedder, store, reranker), store, settings)
    in_process = runtime.settings.celery_broker_url.startswith("memory:")
    jobs = InlineJobs(embedder, settings, runtime.publisher) if in_process else CeleryJobs()
    deps = handlers.Deps(
        settings=settings,
        search=search,
        index=index,
        jobs=jobs,
        submissions=KeyValueSubmissions(runtime.kv),
        policy=runtime.policy,
        clock=runtime.clock,
    )
    try:
        yield Service(
            "retrieval",
            deps,
            handlers=handlers.HANDLERS,
            probes={"vectors": search.ping, "kv": runtime.kv.ping},
        )
    finally:
        jobs.close()
        search.close()
        index.close()
        store.close()
