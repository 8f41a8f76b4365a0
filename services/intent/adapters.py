"""The classifier off the event loop."""

from services.intent.classifier import OnnxClassifier, Scores
from shared.executor import BoundedExecutor


class BoundedClassifier:
    """Classifies single messages in one bounded thread."""

    def __init__(self, classifier: OnnxClassifier, *, timeout_s: float, queue: int) -> None:
        self._classifier = classifier
        self._executor = BoundedExecutor("classifier", queue=queue, timeout_s=timeout_s)

    async def classify(self, text: str) -> Scores:
        """Raises Overloaded (queue full), Transient (too slow)."""
        return await self._executor.run(self._classify_now, text)

    def _classify_now(self, text: str) -> Scores:
        return self._classifier.classify([text])[0]

    def close(self) -> None:
        self._executor.close()
