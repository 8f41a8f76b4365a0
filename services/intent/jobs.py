"""Celery task: the weekly look at the router's drift. Scheduled in `services/jobs.py`.

The service shows what it found as metrics (`gauges.py`): a worker's own metrics nobody reads.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from services.intent import drift
from services.intent.classifier import OnnxClassifier
from services.intent.confidences import ConfidenceLog, Look, look
from services.intent.labels import Label, LabelLog
from services.intent.settings import IntentSettings
from services.intent.training.data import Message, read
from services.jobs import app
from shared.clock import Clock, SystemClock
from shared.errors import ConfigurationError
from shared.keys import KeyRing
from shared.kv import open_kv
from shared.settings import Settings, load

WEEK_MS = 7 * 86_400_000


@app.task(name="intent.look_for_drift")  # type: ignore[untyped-decorator]  # celery has no types
def look_for_drift() -> None:
    """Look at the week that ended."""
    asyncio.run(_look(load(Settings), load(IntentSettings)))


async def _look(settings: Settings, knobs: IntentSettings) -> None:
    kv, clock = open_kv(settings.kv_url), SystemClock()
    try:
        classifier = OnnxClassifier(knobs.model_dir, threads=settings.cpu_threads)
        log = ConfidenceLog(kv, clock)
        tenants = KeyRing.open(settings).tenants()
        labels = LabelLog(kv)
        labelled = [label for tenant in tenants for label in await labels.read(tenant)]
        await look_and_keep(classifier, log, tenants, clock, knobs, labelled=labelled)
    finally:
        await kv.close()


async def look_and_keep(
    classifier: OnnxClassifier,
    log: ConfidenceLog,
    tenants: Sequence[str],
    clock: Clock,
    knobs: IntentSettings,
    *,
    labelled: Sequence[Label] = (),
) -> Look:
    """Compare last week with the reference file, and the model with the labelled messages.

    Those are what people sent in (`labelled`) and what is in the labelled file.

    Raises:
        Unavailable: the store is away.
        ConfigurationError: a file cannot be read.
    """
    now_ms = clock.unix_ms()
    reference = classifier.classify([row.text for row in _read(knobs.reference_file)])
    found = await look(
        log,
        tenants,
        drift.week_of(now_ms - WEEK_MS),
        reference=[scores.route_confidence for scores in reference],
        right=_right(classifier, [*labelled, *_rows(knobs.labelled_file)]),
        now_unix_ms=now_ms,
    )
    await log.keep(found)
    return found


def _rows(path: Path | None) -> list[Label]:
    return [Label(row.text, row.route) for row in _read(path) if row.route] if path else []


def _read(path: Path) -> list[Message]:
    try:
        return read(path)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _right(classifier: OnnxClassifier, rows: Sequence[Label]) -> list[bool]:
    scores = classifier.classify([row.text for row in rows])
    return [row.route == found.route for row, found in zip(rows, scores, strict=True)]
