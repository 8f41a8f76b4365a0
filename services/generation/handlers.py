"""Write one answer."""

import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from services.generation import core
from services.generation.settings import GenerationSettings
from services.generation.tiers import Tier
from shared.boards import PolicyBoard
from shared.clock import Clock
from shared.errors import SwitchboardError
from shared.events import Drafted, Grounded
from shared.extractive import draft_from_passages
from shared.llm import Request
from shared.policy import GenerationTier

log = logging.getLogger(__name__)

_MIN_BUDGET_S = 1.0  # less time than this is not worth a model's first token


@dataclass(frozen=True)
class Deps:
    """What generation needs. `tiers` holds those that are configured."""

    settings: GenerationSettings
    tiers: Mapping[GenerationTier, Tier]
    policy: PolicyBoard
    clock: Clock


async def generate(event: Grounded, deps: Deps) -> AsyncIterator[Drafted]:
    """Ask the allowed tiers in order until one has answered; extractive always can."""
    if event.passages and event.route != "escalate_human":
        part = 0
        for name in deps.policy.current.tiers:
            tier = deps.tiers.get(name)
            if tier is None or not tier.is_open or _budget_s(event, deps) < _MIN_BUDGET_S:
                continue
            try:
                async for draft in _ask(event, tier, part, deps):
                    yield draft
                    part = draft.part + 1
                return
            except SwitchboardError as error:
                # Sentences already shown stay; the next tier's last part replaces the whole.
                log.warning("tier %s failed: %s", name, error)
    yield draft_from_passages(event)


async def _ask(event: Grounded, tier: Tier, part: int, deps: Deps) -> AsyncIterator[Drafted]:
    """One draft per sentence, then the whole; the first sentence without a source ends it."""
    stream, sentences, tokens = core.SentenceStream(), [], 0
    async for piece in tier.stream(_request(event, deps)):
        tokens += piece.input_tokens + piece.output_tokens
        for sentence in stream.feed(piece.text):
            if not core.cited(sentence, event.passages):
                yield _hand_over(event, tier, part, core.UNSUPPORTED)
                return
            sentences.append(sentence)
            yield _draft(event, tier, [sentence], part, last=False)
            part += 1
    structured, rest = stream.is_structured, stream.finish()
    if structured and (reason := core.hand_over_reason(" ".join(rest))):
        yield _hand_over(event, tier, part, reason)
        return
    if not all(core.cited(sentence, event.passages) for sentence in rest):
        yield _hand_over(event, tier, part, core.UNSUPPORTED)
        return
    whole = _draft(event, tier, sentences + rest, part, last=True)
    yield whole.model_copy(update={"cost_usd": tier.cost_usd(tokens)})


def _hand_over(event: Grounded, tier: Tier, part: int, reason: str) -> Drafted:
    return _draft(event, tier, [], part, last=True).model_copy(update={"hand_over": reason})


def _request(event: Grounded, deps: Deps) -> Request:
    return Request(
        messages=core.prompt(event),
        max_tokens=deps.settings.max_tokens,
        temperature=deps.settings.temperature,
        stop=core.STOP,
        timeout_s=min(deps.settings.tier_timeout_s, _budget_s(event, deps)),
    )


def _budget_s(event: Grounded, deps: Deps) -> float:
    return (event.deadline_unix_ms - deps.clock.unix_ms()) / 1000


def _draft(event: Grounded, tier: Tier, sentences: list[str], part: int, *, last: bool) -> Drafted:
    cited = dict.fromkeys(p for s in sentences for p in core.cited(s, event.passages))
    return event.then(
        Drafted,
        part=part,
        last=last,
        text=" ".join(core.without_marks(sentence) for sentence in sentences),
        question=event.text,
        personal=bool(event.findings),
        confidence=event.answerable,
        tier=tier.name,
        cited=tuple(cited),
    )


HANDLERS = (generate,)
BROADCAST = ()
REPLAYED = ()
