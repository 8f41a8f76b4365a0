"""Pure decisions of safety: what a message may become, and which sentences may be shown."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from shared.events import BOT, Citation, Drafted
from shared.keywords import sensitive_topics
from shared.policy import Policy
from shared.screening import Span, injection_rule, is_abusive, rule_spans

REFUSAL = (
    "I can only help with questions about our shop and its products, "
    "so I have to leave that one. What can I do for you?"
)
ABUSE = (
    "I can hear that you are upset, and I would like to help. Tell me what went wrong, "
    "or ask for a person and I will bring in a colleague."
)
NOBODY_THERE = (
    "We are having technical trouble and cannot answer right now. We are sorry. "
    "Please try again in a little while; your message was not lost."
)

# Presidio's names → ours, which are what placeholders say. Kinds that are not listed stay in the
# text: dates, nationalities and organisations are needed to answer and say little about a person.
KINDS = {
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "US_BANK_NUMBER": "NUMBER",
    "IP_ADDRESS": "IP",
    "PERSON": "PERSON",
    "US_SSN": "SSN",
    "UK_NHS": "SSN",
    "US_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "LICENSE",
    "CRYPTO": "CRYPTO",
    "MEDICAL_LICENSE": "LICENSE",
}
# spaCy's small model takes capitalised product words, abbreviations and greetings for people.
_NAME = re.compile(r"^[A-Z][a-z'’-]+(?: (?:[A-Z]\.|van|de|der|von|la|[A-Z][a-z'’-]+)){0,3}$")
_MIN_NAME_LETTERS = 3
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Verdict:
    """What may happen to a message: `go_on`, `relay`, `refuse`, `escalate` or `apologise`."""

    action: str
    rule: str = ""
    text: str = ""
    flags: tuple[str, ...] = ()


def judge(text: str, owner: str, policy: Policy) -> Verdict:
    """Decide over a masked message. The first rule that matches wins."""
    if owner != BOT:
        return Verdict("relay")
    if rule := injection_rule(text):
        return Verdict("refuse", f"safety.injection.{rule}", REFUSAL)
    flags = sensitive_topics(text)
    if is_abusive(text) and not flags:
        return Verdict("refuse", "safety.abuse", ABUSE)
    if policy.fixed_text:
        return Verdict("apologise", "policy.fixed_text", NOBODY_THERE)
    if policy.escalate_all:
        return Verdict("escalate", "policy.escalate_all", flags=flags)
    return Verdict("go_on", flags=flags)


def plausible(text: str, spans: Iterable[Span], allowed: frozenset[str]) -> list[Span]:
    """Model findings that are worth a placeholder; `allowed` is lower case."""
    kept = []
    for span in spans:
        found = text[span.start : span.end].strip()
        if found.lower() in allowed or any(w.lower() in allowed for w in found.split()):
            continue
        letters = sum(char.isalpha() for char in found)
        if span.kind == "PERSON" and (not _NAME.match(found) or letters < _MIN_NAME_LETTERS):
            continue
        kept.append(span)
    return kept


def all_spans(text: str, model_spans: Sequence[Span], allowed: frozenset[str]) -> list[Span]:
    """Rule findings and plausible model findings together."""
    return [*rule_spans(text), *plausible(text, model_spans, allowed)]


@dataclass(frozen=True)
class CheckedDraft:
    """The outcome of the output check: text that may be shown, or why a person is needed."""

    text: str = ""
    escalate: str = ""
    rule: str = ""


def check_draft(draft: Drafted, model_spans: Sequence[Span], min_confidence: float) -> CheckedDraft:
    """Let a draft out only if it is wanted, sure enough, cited, and free of personal data."""
    if draft.hand_over:
        return CheckedDraft(escalate=draft.hand_over, rule="generation.hand_over")
    if draft.confidence < min_confidence:
        return CheckedDraft(
            escalate=f"The bot is not sure enough ({draft.confidence:.0%}).",
            rule="safety.low_confidence",
        )
    known = {passage.passage_id for passage in draft.passages}
    if not draft.cited or not set(draft.cited) <= known:
        return CheckedDraft(escalate="An answer without a valid source.", rule="safety.citation")
    if invented := unsupported_numbers(draft):
        return CheckedDraft(
            escalate=f"The draft holds numbers no source has: {', '.join(sorted(invented))}.",
            rule="safety.unsupported",
        )
    if is_abusive(draft.text) or injection_rule(draft.text):
        return CheckedDraft(escalate="The draft was not fit to be shown.", rule="safety.output")
    leaked = [span for span in model_spans if not _quoted(draft, span)]
    if leaked:
        return CheckedDraft(escalate="The draft held personal data.", rule="safety.output_pii")
    return CheckedDraft(text=draft.text)


def _quoted(draft: Drafted, span: Span) -> bool:
    """What a public document says (the shop's own address, say) is no leak."""
    found = draft.text[span.start : span.end]
    return any(found in passage.text for passage in draft.passages)


def citations(draft: Drafted) -> tuple[Citation, ...]:
    """One citation per cited document, in the order of first use."""
    by_id = {passage.passage_id: passage for passage in draft.passages}
    seen: dict[str, Citation] = {}
    for passage_id in draft.cited:
        passage = by_id[passage_id]
        seen.setdefault(passage.document_id, Citation.of(passage))
    return tuple(seen.values())


def unsupported_numbers(draft: Drafted) -> frozenset[str]:
    """Numbers in the draft that no cited passage and no question holds: how models invent terms."""
    sources = [p.text for p in draft.passages if p.passage_id in draft.cited]
    allowed = {n for source in (*sources, draft.question) for n in _NUMBER.findall(source)}
    return frozenset(_NUMBER.findall(draft.text)) - allowed
