"""Wires the intent router."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from services.intent import handlers
from services.intent.adapters import BoundedClassifier, OfferBook, UnsureLog
from services.intent.api import ApiDeps, build_api
from services.intent.classifier import OnnxClassifier
from services.intent.confidences import ConfidenceLog
from services.intent.gauges import refresh
from services.intent.labels import LabelLog
from services.intent.settings import IntentSettings
from services.intent.templates import open_templates
from services.intent.topics import open_topics
from shared.keys import KeyRing
from shared.periodic import Periodic
from shared.runner import Runtime
from shared.service import Service
from shared.settings import load


@asynccontextmanager
async def open_service(runtime: Runtime) -> AsyncIterator[Service]:
    """The router, its model warmed up."""
    settings = load(IntentSettings)
    classifier = BoundedClassifier(
        OnnxClassifier(settings.model_dir, threads=runtime.settings.cpu_threads),
        timeout_s=settings.classify_timeout_s,
        queue=settings.classify_queue,
    )
    await classifier.classify("warm up")
    confidences = ConfidenceLog(runtime.kv, runtime.clock)
    gauges = Periodic("drift", partial(refresh, confidences), settings.drift_refresh_s)
    unsure = UnsureLog(runtime.kv, ttl_s=settings.unsure_ttl_s, most=settings.unsure_messages)
    deps = handlers.Deps(
        settings=settings,
        classifier=classifier,
        templates=open_templates(settings.faq_file),
        topics=open_topics(settings.topics_file),
        offers=OfferBook(runtime.kv, settings.offer_ttl_s),
        unsure=unsure,
        confidences=confidences,
        policy=runtime.policy,
    )
    try:
        yield Service(
            "intent",
            deps,
            handlers=handlers.HANDLERS,
            api=build_api(
                ApiDeps(unsure, LabelLog(runtime.kv), confidences, KeyRing.open(runtime.settings))
            ),
            start=gauges.start,
            stop=gauges.stop,
        )
    finally:
        classifier.close()
