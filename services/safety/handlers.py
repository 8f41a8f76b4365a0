"""Screen what comes in, check what goes out."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from services.safety import core
from services.safety.settings import SafetySettings
from shared.boards import PolicyBoard
from shared.errors import Unavailable
from shared.events import (
    Answered,
    ConversationErased,
    Drafted,
    Escalated,
    Received,
    Relayed,
    Screened,
)
from shared.fingerprint import fingerprint
from shared.offers import OPTIONS, PERSON, offering
from shared.screening import Span, mask
from shared.vault import Vault


class PiiAnalyzer(Protocol):
    """Finds personal data that patterns cannot see, such as names."""

    async def spans(self, text: str) -> list[Span]: ...


@dataclass(frozen=True)
class Deps:
    """What safety needs."""

    settings: SafetySettings
    analyzer: PiiAnalyzer
    vault: Vault
    policy: PolicyBoard

    @property
    def allowed(self) -> frozenset[str]:
        """Brand words, lower case."""
        names = self.settings.allow_names.split(",")
        return frozenset(name.strip().lower() for name in names if name.strip())


async def screen(event: Received, deps: Deps) -> Screened | Relayed | Answered | Escalated:
    """Take personal data out, then decide what the message may become."""
    spans = core.all_spans(event.text, await deps.analyzer.spans(event.text), deps.allowed)
    masked = mask(event.text, spans)
    if masked.originals:
        await _keep_originals(event, masked.originals, deps)
    verdict = core.judge(masked.text, event.owner, deps.policy.current)
    mode = deps.policy.current.mode
    if verdict.action == "relay":
        return event.then(Relayed, text=masked.text)
    if verdict.action == "escalate":
        reason = "All questions go to people at the moment."
        return event.then(
            Escalated,
            reason=reason,
            rule=verdict.rule,
            question=masked.text,
            intent=verdict.flags[0] if verdict.flags else "",
            mode=mode,
        )
    if verdict.action in ("refuse", "apologise"):
        degraded = verdict.action == "apologise"
        return event.then(
            Answered,
            text=verdict.text,
            question=masked.text,
            route="out_of_scope",
            intent=verdict.rule,
            origin="degraded" if degraded else "faq",
            mode=mode,
        )
    return event.then(
        Screened,
        text=masked.text,
        fingerprint=fingerprint(masked.text),
        findings=masked.findings,
        flags=verdict.flags,
        mode=mode,
    )


async def _keep_originals(event: Received, originals: Mapping[str, str], deps: Deps) -> None:
    with suppress(Unavailable):  # losing the original is the private side to fail on
        await deps.vault.keep(
            event.tenant_id,
            event.conversation_id,
            event.turn_id,
            originals,
            ttl_s=deps.settings.vault_ttl_s,
        )


async def check(event: Drafted, deps: Deps) -> Answered | Escalated:
    """Let a part of an answer out, or hand over."""
    spans = core.all_spans(event.text, [], deps.allowed)
    if event.tier in ("small", "large"):  # a model may make up a name; a quote cannot
        spans = core.all_spans(event.text, await deps.analyzer.spans(event.text), deps.allowed)
    checked = core.check_draft(event, spans, deps.settings.min_confidence)
    if checked.escalate:
        return event.then(Escalated, reason=checked.escalate, rule=checked.rule, draft=event.text)
    offers = event.last and event.offer == PERSON
    return event.then(
        Answered,
        text=offering(checked.text) if offers else checked.text,
        options=OPTIONS if offers else (),
        citations=core.citations(event),
        cacheable=event.last and not event.personal and not event.context,
    )


async def forget(event: ConversationErased, deps: Deps) -> None:
    """Nobody can reveal anything of an erased conversation."""
    await deps.vault.forget(event.tenant_id, event.conversation_id)


HANDLERS = (screen, check, forget)
BROADCAST = ()
REPLAYED = ()
