"""How many hits are false: a sampled share of them is answered afresh, aside, and compared.

The fresh turn is a shadow (`shadow_of`): it runs through intent, retrieval, generation and the
output check like any other, but ends in `Shadowed`, which nobody but the cache reads.
"""

import logging
from collections.abc import Iterator

import numpy as np

from services.cache import core
from services.cache.deps import Deps
from services.cache.remembering import keep
from shared import metrics
from shared.answers import Remembered
from shared.events import WARM_UP, Answered, Missed, Screened, Shadowed

log = logging.getLogger(__name__)

_ASIDE = "~shadow"  # a conversation of its own: nobody's next question waits behind it
_DEADLINE_S = 30.0


def shadow_of(event: Screened, kind: str, deps: Deps) -> Iterator[Missed]:
    """The question once more, for nobody, if this hit is in the sample and the system is well."""
    healthy = deps.policy.current.mode == "full"
    if healthy and core.is_sampled(event.turn_id, deps.settings.audit_share):
        yield event.then(
            Missed,
            turn_id=f"{event.turn_id}{_ASIDE}",
            conversation_id=f"{event.conversation_id}{_ASIDE}",
            shadow_of=f"{kind}:{event.turn_id}",
            deadline_unix_ms=deps.clock.unix_ms() + int(_DEADLINE_S * 1000),
            timings_ms={},
        )


async def settle_shadow(event: Shadowed, deps: Deps) -> None:
    """Compare a fresh answer with the remembered one; remember one that was asked ahead."""
    if event.shadow_of == WARM_UP:
        await _keep(event, deps)
        return
    kind, _, turn_id = event.shadow_of.partition(":")
    conversation_id = event.conversation_id.removesuffix(_ASIDE)
    turn = event.model_copy(update={"conversation_id": conversation_id})
    trace = await deps.traces.of(turn, turn_id)
    cached = None
    if trace is not None:
        cached = await deps.store.exact(trace.scope(event.tenant_id), trace.fingerprint)
    if cached is None:
        return  # forgotten meanwhile: nothing to compare with
    result = await _compared(cached, event.answer, deps)
    metrics.CACHE_AUDITS.labels(event.tenant_id, kind, result).inc()
    if result == "differed":
        log.warning("a fresh answer differs from the cached one: turn %s", turn_id)


async def _compared(cached: Remembered, fresh: Answered | None, deps: Deps) -> str:
    if fresh is None:
        return "unanswered"
    vectors = [await deps.embedder.embed(text) for text in (cached.text, fresh.text)]
    first, second = (np.frombuffer(vector, np.float32) for vector in vectors)
    alike = core.agrees(cached, fresh, float(first @ second), deps.settings.audit_agreement)
    return "agreed" if alike else "differed"


async def _keep(event: Shadowed, deps: Deps) -> None:
    answer = event.answer
    if answer is not None and core.may_remember(answer):
        embedding = answer.embedding or await deps.embedder.embed(answer.question)
        await keep(answer, embedding, deps)


HANDLERS = (settle_shadow,)
