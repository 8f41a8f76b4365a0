"""What a customer's words say about the conversation itself, not about the shop. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal

from shared.events import Exchange
from shared.extractive import terms

_POLITE = r"(?:[\s,.!]*(?:please|pls|thanks|thank you|thx|do|go ahead|do it))*[\s.!]*"
_YES = re.compile(
    rf"\s*(?:yes|yeah|yep|yup|sure|ok|okay|please do|go ahead|yes please|correct|right|"
    rf"talk to a person|yes,? go ahead){_POLITE}$",
    re.I,
)
_NO = re.compile(
    rf"\s*(?:no|nope|nah|not now|no need|never ?mind|rather not|don'?t|no,? thanks?){_POLITE}$",
    re.I,
)
_BARE = re.compile(
    r"\W*(?:(?:live|real|human|customer|an?|the|your)\s+)*"
    r"(?:agent|human|person|operator|representative|rep|advisor|someone|somebody)"
    r"(?:\s+(?:please|pls|now))*\W*$",
    re.I,
)
_UNHELPFUL = re.compile(
    r"\b(?:(?:that|this|it|which)(?: really)? (?:does ?n'?t|does not|did ?n'?t|did not|is ?n'?t"
    r"|is not|was ?n'?t|was not)(?: really)? (?:help|helpful|work|answer|what i (?:asked|meant))"
    r"|not what i (?:asked|meant)"
    r"|you (?:don'?t|do not|didn'?t|did not) (?:understand|get it|listen)"
    r"|(?:still|already) (?:does ?n'?t work|not working|tried (?:that|this|it))"
    r"|no help|not help(?:ful|ing)|useless|wrong answer)\b",
    re.I,
)
_AMOUNT = re.compile(
    r"(?:€|\beur(?:os?)?\b)\s*(\d[\d.,]*)|(\d[\d.,]*)\s*(?:€|-?\s?eur(?:os?)?\b)", re.I
)
_REFUND = re.compile(
    r"\b(?:refund\w*|money back|reimburse\w*|charge ?back|pay me back|paid back)\b", re.I
)
_SAME = 0.6  # Dice coefficient of the content words: "nearly the same question"
LOOP_TURNS = 3


def agrees(text: str) -> bool:
    """A yes to what was just offered, and nothing else."""
    return bool(_YES.match(text))


def declines(text: str) -> bool:
    """A no to what was just offered, and nothing else."""
    return bool(_NO.match(text))


def is_bare_word(text: str) -> bool:
    """Only "agent" or the like: may be a wish, or an answer to nothing in particular."""
    return bool(_BARE.match(text))


def is_unhelped(text: str, context: Sequence[Exchange]) -> bool:
    """Whether the customer says that the answers so far were of no use."""
    return bool(context) and bool(_UNHELPFUL.search(text))


def goes_round(text: str, context: Sequence[Exchange]) -> bool:
    """Whether this is the third time in a row that nearly the same is asked."""
    own = set(terms(text))
    last = [set(terms(exchange.question)) for exchange in context[-(LOOP_TURNS - 1) :]]
    return bool(own) and len(last) == LOOP_TURNS - 1 and all(_alike(own, other) for other in last)


def _alike(one: set[str], other: set[str]) -> bool:
    return 2 * len(one & other) >= _SAME * (len(one) + len(other))


def refund_amount(text: str) -> Decimal | None:
    """The largest amount of euros in a message that asks for money back; None without one."""
    if not _REFUND.search(text):
        return None
    found = [_number(before or after) for before, after in _AMOUNT.findall(text)]
    return max(found, default=None)


def _number(written: str) -> Decimal:
    """1,234.50 and 1.234,50 and 900: the last separator with one or two digits behind it counts."""
    match = re.fullmatch(r"([\d.,]*?)(?:[.,](\d{1,2}))?[.,]*", written)
    whole, cents = match.groups() if match else (written, None)
    digits = re.sub(r"\D", "", whole) or "0"
    return Decimal(f"{digits}.{cents or 0}")
