"""Screening by rules alone: what must be out of a text before anything else sees it.

Safety runs these before the statistical model; its understudy runs them alone, which is screening
too, stricter and simpler: it masks every long digit run and every capitalised name after "I am".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.events import Finding


@dataclass(frozen=True)
class Span:
    """Personal data at `text[start:end]`; `score` in 0–1 settles overlaps."""

    kind: str
    start: int
    end: int
    score: float = 1.0


@dataclass(frozen=True)
class Masked:
    """A text with placeholders, what they stand for, and the originals by placeholder."""

    text: str
    findings: tuple[Finding, ...]
    originals: dict[str, str]


_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("EMAIL", re.compile(r"\b[\w.+%-]+@[\w-]+(?:\.[\w-]+)+\b")),
    ("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b")),
    ("CARD", re.compile(r"\b(?:\d[ -]?){12,18}\d\b")),
    ("SSN", re.compile(r"\b\d{3}-\d{2}-\d{4}\b")),
    ("IP", re.compile(r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b")),
    (
        "PHONE",
        re.compile(
            r"(?<![\w-])(?:\+\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?"
            r"\d{2,4}(?:[ .-]\d{2,4}){2,4}\b"
        ),
    ),
    ("PHONE", re.compile(r"(?<![\w-])\+\d{8,15}\b")),
    (
        "ADDRESS",
        re.compile(
            r"\b\d{1,5}[a-z]? (?:[A-Z][\w'-]+ ){1,3}"
            r"(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Court|Ct|Way|Square|Sq|Boulevard|Blvd|Close|Terrace)\b\.?"
            r"(?:,? [A-Z][\w'-]+)?(?:,? [A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}|,? \d{5})?"
        ),
    ),
    ("POSTCODE", re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b")),
    (
        "PERSON",
        re.compile(
            r"(?i:\b(?:my name is|my name's|i am called|this is|call me|i'm|i am)\s+)"
            r"(?-i:((?:[A-Z][a-z'-]+)(?: [A-Z][a-z'-]+){1,2}))"
        ),
    ),
    (
        "BIRTHDAY",
        re.compile(r"(?i:\bborn (?:on )?|birthday is |dob:? )(\d{1,4}[./-]\d{1,2}[./-]\d{1,4})"),
    ),
)


def _luhn(digits: str) -> bool:
    """Source: ISO/IEC 7812-1, the check digit of card numbers."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if index % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def rule_spans(text: str) -> list[Span]:
    """Personal data that patterns can see; certain kinds only, but those surely."""
    spans = []
    for kind, pattern in _RULES:
        for match in pattern.finditer(text):
            start, end = match.span(1) if match.re.groups else match.span()
            digits = re.sub(r"\D", "", match.group())
            if kind == "CARD" and not _luhn(digits):
                kind_found = "NUMBER"
            elif kind == "PHONE" and not 7 <= len(digits) <= 15:
                continue
            else:
                kind_found = kind
            spans.append(Span(kind_found, start, end))
    return spans


def mask(text: str, spans: Iterable[Span]) -> Masked:
    """Put placeholders in place of spans; the same original gets the same placeholder.

    Overlaps go to the surer span, then to the longer one.
    """
    chosen: list[Span] = []
    for span in sorted(spans, key=lambda s: (-s.score, s.start - s.end)):
        if all(span.end <= other.start or span.start >= other.end for other in chosen):
            chosen.append(span)
    names: dict[tuple[str, str], str] = {}
    counts: dict[str, int] = {}
    pieces, position = [], 0
    for span in sorted(chosen, key=lambda s: s.start):
        original = text[span.start : span.end]
        identity = (span.kind, original.casefold())
        if identity not in names:
            counts[span.kind] = counts.get(span.kind, 0) + 1
            names[identity] = f"<{span.kind}_{counts[span.kind]}>"
        pieces += [text[position : span.start], names[identity]]
        position = span.end
    masked = "".join([*pieces, text[position:]])
    originals: dict[str, str] = {}
    for span in chosen:
        original = text[span.start : span.end]
        originals.setdefault(names[(span.kind, original.casefold())], original)
    findings = tuple(Finding(placeholder=p, kind=kind) for (kind, _), p in names.items())
    return Masked(masked, findings, originals)


def mask_by_rules(text: str) -> Masked:
    """Mask what patterns can see."""
    return mask(text, rule_spans(text))


_VERBOSE = re.IGNORECASE | re.DOTALL | re.VERBOSE

_INJECTION: Mapping[str, re.Pattern[str]] = {
    name: re.compile(pattern, _VERBOSE)
    for name, pattern in {
        "override": r"""
            \b(?:ignore|disregard|forget|override|bypass)\b .{0,30}
            \b(?:previous|prior|above|earlier|all|your|the|these|any)\b .{0,20}
            \b(?:instruction|prompt|rule|guideline|direction|command|polic|training|programming)
        """,
        "reveal": r"""
            \b(?:reveal|show|print|repeat|output|display|tell\ me|what\ (?:is|are|was))\b .{0,30}
            \b(?:your|the|initial|hidden|full)\b .{0,15}
            \b(?:(?:system|initial|hidden)\ prompt|system\ message
              |(?:initial|secret)\ instructions)\b
        """,
        "persona": r"""
            \b(?:you\ are\ now|from\ now\ on,?\ you|act\ as|pretend\ (?:to\ be|you\ are)
              |role-?play\ as|simulate)\b .{0,60}
            \b(?:dan\b|jailbr\w+|unrestricted|evil|developer\ mode|do\ anything\ now
              |(?:no|without\ (?:any\ )?)\ ?(?:rules|restrictions|limits|filters))
        """,
        "mode": r"""
            \b(?:developer|god|debug|sudo|admin|dan|jailbreak)\ mode\b .{0,30}
              \b(?:on|enabled?|activated?|engaged?)\b
            | \benable\ (?:developer|god|dan|jailbreak)\ mode\b
        """,
        "dan": r"\bdo\ anything\ now\b | \bDAN\b .{0,40} \b(?:jailbreak|prompt|mode)",
        "markers": r"""
            <\|?(?:im_start|im_end|system|endoftext)\|?> | \[/?INST\]
            | (?:^|\n)\s*\#\#\#?\ ?(?:system|instruction)\b
            | \bBEGIN\ (?:NEW\ )?(?:SYSTEM\ )?INSTRUCTIONS?\b
        """,
        "exfiltrate": r"""
            \b(?:send|post|forward|upload|exfiltrate)\b .{0,40}
            \b(?:conversation|chat\ history|api\ key|credentials|customer\ data|passwords)\b
            .{0,30} \b(?:to|at)\b
        """,
        "new_rules": r"\b(?:new|real|actual|updated)\ (?:instructions?|rules?|system\ prompt)\s*:",
    }.items()
}

_ABUSE = re.compile(
    r"""
    \b(?:fuck(?:ing|er|ed)?\ (?:you|off|u)\b | go\ (?:die|kill\ yourself)\b | kill\ yourself\b
    | pieces?\ of\ shit\b
    | you(?:'re|\ are)?\ (?:an?\ |such\ an?\ |all\ )?(?:\w+\ )?
      (?:idiots?|morons?|assholes?|bitch(?:es)?|cunts?|bastards?|retards?|scum)\b
    | i(?:'ll|\ will|\ am\ going\ to|'m\ going\ to)\ (?:kill|hurt|stab|shoot|beat)
      \ (?:you|someone|them|him|her)\b)
    """,
    _VERBOSE,
)


def injection_rule(text: str) -> str:
    """The name of the first injection pattern that matches; empty when none does."""
    return next((name for name, pattern in _INJECTION.items() if pattern.search(text)), "")


def is_abusive(text: str) -> bool:
    """Whether the text insults or threatens a person; anger about a product is not abuse."""
    return bool(_ABUSE.search(text))
