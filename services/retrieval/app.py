"""Wires retrieval."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.retrieval import handlers
from services.retrieval.adapters import BoundedSearch, StoreIndex
from services.retrieval.api import build_api
from services.retrieval.background import CeleryJobs, InlineJobs
from services.retrieval.ledger import KeyValueLedger
from services.retrieval.reading.sandbox import SandboxReader
from services.retrieval.rerank import open_reranker
from services.retrieval.search import Searcher
from services.retrieval.settings import RetrievalSettings
from shared.embeddings import Embedder, open_embedder
from shared.ingestions import Ingestions
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load
from shared.tokens import internal_token
from shared.vectors import open_vectors


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """Retrieval over the configured store, its models warmed up."""
    settings = load(RetrievalSettings)
    embedder = open_embedder(runtime.settings.embedder_url, threads=runtime.settings.cpu_threads)
    store = open_vectors(runtime.settings.vectors_url, dimensions=embedder.dimensions)
    reranker = open_reranker(settings.reranker_dir, threads=runtime.settings.cpu_threads)
    searcher = Searcher(embedder, store, reranker)
    index = StoreIndex(store, embedder.name, settings.index_timeout_s, searcher.learn)
    search = BoundedSearch(searcher, store, embedder, settings)
    jobs = _jobs(runtime, settings, embedder)
    token = internal_token(runtime.settings.secret_key.get_secret_value())
    deps = handlers.Deps(
        settings=settings,
        search=search,
        index=index,
        jobs=jobs,
        ledger=KeyValueLedger(runtime.kv),
        progress=Ingestions(runtime.kv),
        policy=runtime.policy,
        clock=runtime.clock,
    )
    try:
        yield Service(
            "retrieval",
            deps,
            handlers=handlers.HANDLERS,
            probes={"vectors": search.ping, "kv": runtime.kv.ping},
            api=build_api(index, token),
        )
    finally:
        jobs.close()
        search.close()
        index.close()
        store.close()


def _jobs(
    runtime: Runtime, settings: RetrievalSettings, embedder: Embedder
) -> InlineJobs | CeleryJobs:
    if not runtime.settings.celery_broker_url.startswith("memory:"):
        return CeleryJobs()
    reader = SandboxReader(runtime.settings.embedder_url, settings.read_limits)
    return InlineJobs(reader, embedder, settings, runtime.publisher)
