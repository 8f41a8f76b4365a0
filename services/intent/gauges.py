"""Shows what the weekly look found, as metrics of this process."""

from services.intent.confidences import ConfidenceLog
from shared import metrics


async def refresh(confidences: ConfidenceLog) -> None:
    """Set the gauges by the latest look, if there was one. Raises Unavailable."""
    found = await confidences.latest()
    if found is None:
        return
    for tenant_id, index in found.index.items():
        if index is not None:
            metrics.INTENT_DRIFT.labels(tenant_id).set(index)
    if found.accuracy is not None:
        metrics.INTENT_FEEDBACK_ACCURACY.set(found.accuracy)
