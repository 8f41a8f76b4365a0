"""Shows what the weekly look found, as metrics of this process."""

import asyncio
import logging
from contextlib import suppress

from services.intent.confidences import ConfidenceLog
from shared import metrics
from shared.errors import Unavailable

log = logging.getLogger(__name__)


class DriftGauges:
    """Reads the latest look now and then until told to stop."""

    def __init__(self, confidences: ConfidenceLog, every_s: float) -> None:
        self._confidences = confidences
        self._every_s = every_s
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while not self._stopping.is_set():
            with suppress(Unavailable):
                await self.refresh()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._every_s)

    async def refresh(self) -> None:
        """Set the gauges. Raises Unavailable."""
        found = await self._confidences.latest()
        if found is None:
            return
        for tenant_id, index in found.index.items():
            if index is not None:
                metrics.INTENT_DRIFT.labels(tenant_id).set(index)
        if found.accuracy is not None:
            metrics.INTENT_FEEDBACK_ACCURACY.set(found.accuracy)

    async def stop(self) -> None:
        self._stopping.set()
        if self._task is not None:
            await self._task
