"""Routing by words alone: the intent service's stand-in, and the gateway's when the broker is down.

Few, unambiguous words: when in doubt the answer is `knowledge_base`, where a wrong guess costs a
look-up and nothing else.
"""

import re
from dataclasses import dataclass

from shared.events import Route

ASKS_FOR_PERSON = re.compile(
    r"\b(?:(?:speak|talk|chat|connect|transfer|put|get|give|bring|want|need|prefer"
    r"|(?:would|'d|’d) like)\b.{0,30}?(?<!cleaning )(?<!descaling )(?<!drying )"
    r"\b(?:human|person|agent|representative|rep|operator|someone real|real one|advisor)s?\b"
    r"|(?:real|live|actual) (?:human|person|agent)"
    r"|\b(?:human|person|agent|representative|operator) please|customer service (?:agent|rep\w*))",
    re.IGNORECASE,
)
_SENSITIVE: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "self_harm",
        re.compile(
            r"\b(?:kill myself|suicid\w+|end (?:my life|it all)|self.?harm|hurt myself"
            r"|point (?:of|in) living|(?:don'?t|do not) want to (?:live|be alive)|want to die)\b",
            re.I,
        ),
    ),
    (
        "injury",
        re.compile(
            r"\b(?:burn(?:ed|t) (?:me|my|myself|him|her)|electric shock|got (?:a )?shock|injur\w+"
            r"|caught fire|on fire|got sick after|hospital|allergic reaction|flames|fainted"
            r"|smell(?:s|ed|ing)? (?:of |like )?(?:burn\w+|smoke)|burn(?:ing|t) (?:smell|plastic)"
            r"|smoke (?:comes|coming|from|out)|there(?:'?s| is) (?:a lot of )?smoke)\b",
            re.I,
        ),
    ),
    (
        "legal_threat",
        re.compile(
            r"\b(?:my (?:lawyer|attorney)|sue (?:you|them)|legal action|take .{0,12}to court)\b",
            re.I,
        ),
    ),
    (
        "fraud_report",
        re.compile(r"\b(?:fraud\w*|unauthori[sz]ed|hacked|stolen card|identity theft)\b", re.I),
    ),
    (
        "account_deletion",
        re.compile(
            r"\b(?:delete|erase|close|remove)\b.{0,20}\b(?:account|personal data|all my data)\b",
            re.I,
        ),
    ),
)
_CONFIDENT = 0.9  # a keyword match is precise (measured on the sample shop's messages)
_UNSURE = 0.5


@dataclass(frozen=True)
class KeywordVerdict:
    """What the words say. `rule` names the pattern, empty when none matched."""

    route: Route
    intent: str
    confidence: float
    rule: str = ""


def sensitive_topics(text: str) -> tuple[str, ...]:
    """Topics that always reach a person, in order of gravity."""
    return tuple(name for name, pattern in _SENSITIVE if pattern.search(text))


def route_by_keywords(text: str) -> KeywordVerdict:
    """Escalate what is plainly for a person; everything else is a question for the documents."""
    if topics := sensitive_topics(text):
        return KeywordVerdict("escalate_human", topics[0], _CONFIDENT, f"keywords.{topics[0]}")
    if ASKS_FOR_PERSON.search(text):
        return KeywordVerdict("escalate_human", "ask_for_human", _CONFIDENT, "keywords.person")
    return KeywordVerdict("knowledge_base", "unknown", _UNSURE)
