"""Wires the intent router."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.intent import handlers
from services.intent.adapters import BoundedClassifier
from services.intent.classifier import OnnxClassifier
from services.intent.settings import IntentSettings
from services.intent.templates import TemplateFile
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
    deps = handlers.Deps(
        settings=settings,
        classifier=classifier,
        templates=TemplateFile(settings.faq_file),
        policy=runtime.policy,
    )
    try:
        yield Service("intent", deps, handlers=handlers.HANDLERS)
    finally:
        classifier.close()
