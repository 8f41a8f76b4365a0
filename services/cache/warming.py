"""The most asked questions are answered ahead, so that customers find them warm."""

from services.cache.deps import Deps
from shared.answers import Scope
from shared.events import WARM_UP, Missed, WarmUpRequested
from shared.fingerprint import fingerprint

_DEADLINE_S = 120.0


async def warm_up(event: WarmUpRequested, deps: Deps) -> list[Missed]:
    """Ask what is asked most and has no fresh answer; nobody sees these turns but the cache."""
    policy = deps.policy.current
    if policy.mode != "full":
        return []  # spare what is left, and keep poorer answers out
    questions = await deps.store.most_asked(event.tenant_id, deps.settings.warm_questions)
    now_ms = deps.clock.unix_ms()
    asked = []
    for locale, text in questions:
        scope = Scope(
            event.tenant_id,
            locale,
            deps.catalogue.knowledge_version(event.tenant_id),
            policy.answer_version,
        )
        known = await deps.store.exact(scope, fingerprint(text))
        if known is None or not known.is_fresh(now_ms):
            asked.append(_question(scope, text, event.requested_unix_ms, now_ms))
    return asked


def _question(scope: Scope, text: str, requested_unix_ms: int, now_ms: int) -> Missed:
    name = fingerprint(text)
    turn_id = f"{WARM_UP}-{requested_unix_ms}-{name}"
    return Missed(
        tenant_id=scope.tenant_id,
        conversation_id=turn_id,
        turn_id=turn_id,
        locale=scope.locale,
        knowledge_version=scope.knowledge_version,
        policy_version=scope.policy_version,
        shadow_of=WARM_UP,
        deadline_unix_ms=now_ms + int(_DEADLINE_S * 1000),
        text=text,
        fingerprint=name,
    )


HANDLERS = (warm_up,)
