"""What a customer's words say about the conversation itself, not about the shop. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal

from shared.events import Exchange
from shared.extractive import terms
from shared.fingerprint import normalise

_POLITE = (
    r"(?:[\s,.!]|please|pls|thanks?|thank you|do (?:it|that|so)|go ahead|connect me|yes|yeah"
    r"|sure|ok(?:ay)?|talk to a person|pass it on|i (?:do|would|confirm)|that would be \w+)*"
)
_YES = re.compile(
    r"^(?:yes|yeah|yep|yup|ok(?:ay)?|sure|right|fine|please|of course|absolutely|definitely"
    r"|go ahead|do (?:it|that|so)|i (?:do|would|confirm)|confirm(?:ed)?|correct"
    r"|(?:that would be|sounds) (?:great|good|nice|fine)|talk to a person|connect me"
    rf"|put me through){_POLITE}$",
    re.I,
)
_YES_AND_MORE = re.compile(r"^(?:yes|yeah|yep|yup|of course)\b", re.I)
_TAKEN_BACK = re.compile(
    r"\?|\b(?:but|no|not|never|later|instead|what|where|when|how|why|which|who)\b|n't\b", re.I
)
_NO = re.compile(
    r"^(?:no|nope|nah|not (?:now|yet|really|needed|necessary)|never ?mind|later|leave it|keep it"
    r"|forget it|cancel that|stop(?: it)?|do(?:n't| not)|it'?s (?:ok(?:ay)?|fine|all right))"
    r"(?:[\s,.!]|thanks?|thank you|please|not now|no|need(?:ed)?|leave it|keep it|never ?mind"
    r"|do(?:n't| not)(?: do (?:it|that))?|(?:i'?m|it'?s|that'?s) (?:ok(?:ay)?|fine|good|all right)"
    r"|maybe later|later)*$",
    re.I,
)
_REFUSES_PERSON = re.compile(
    r"\b(?:do(?:n't| not)|no need to|rather not|never)(?: (?:want|need|wish))?(?: to)?"
    r"(?: (?:speak|talk|chat))?(?: (?:to|with))?(?: (?:an?|any|your))?"
    r" (?:human|person|agent|operator|representative)\b",
    re.I,
)
_BARE = re.compile(
    r"\W*(?:(?:live|real|human|customer|an?|the|your)\s+)*"
    r"(?:agent|human|person|operator|representative|rep|advisor|someone|somebody)"
    r"(?:\W+(?:agent|human|person|operator|pls|now))*\W*$",
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
_CURRENCY = r"(?:[€$£]|-?\s?\b(?:eur(?:os?)?|usd|gbp|dollars?|pounds?)\b)"
_FIGURE = r"\d[\d.,]*"
_AMOUNT = re.compile(
    rf"{_CURRENCY}\s*(?P<after>{_FIGURE})|(?P<before>{_FIGURE})\s*{_CURRENCY}"
    rf"|\b(?:refund|reimburse)(?: of| for| me)?(?: my| the)? (?P<bare>{_FIGURE})(?![\w%])"
    rf"(?! ?(?:days?|weeks?|months?|hours?|items?|percent|%))|\bmy (?P<back>{_FIGURE}) back\b",
    re.I,
)
_REFUND = re.compile(
    r"\b(?:refund\w*|money back|reimburs\w*|charge ?back|pay me back|paid back|compensat\w*"
    r"|(?:want|need|give|get|send)\b.{0,40}\bback|my \d\S* back)\b",
    re.I,
)
_SAME = 0.6  # Dice coefficient of the content words: "nearly the same question"
LOOP_TURNS = 3
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_PICK_WORDS = 6


def agrees(text: str) -> bool:
    """Whether the answer to a yes-or-no question is yes; when in doubt it is not.

    A plain yes may go on with facts ("yes, my order is 4711"), but not with a question.
    """
    said = normalise(text).replace("’", "'")
    if "?" in text:
        return False
    opened = _YES_AND_MORE.match(said)
    more = opened is not None and not _TAKEN_BACK.search(said[opened.end() :])
    return more or bool(_YES.match(said))


def declines(text: str) -> bool:
    """Whether the answer to a yes-or-no question is no and nothing else, or no person."""
    said = normalise(text).replace("’", "'")
    return bool(_NO.match(said) or refuses_person(said))


def refuses_person(text: str) -> bool:
    """Whether the customer says that they do not want a person."""
    return bool(_REFUSES_PERSON.search(text.replace("’", "'")))


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


def refund_amount(text: str, before: str = "") -> Decimal | None:
    """The largest amount in a message that asks for money back; None without one.

    `before`: the message before it, for an amount that is named on being asked, and the other way
    round. Other currencies count like the shop's own: nothing here converts.
    """
    wish, sums = bool(_REFUND.search(text)), _amounts(text)
    if not wish and not (sums and _REFUND.search(before)):
        return None
    return max(sums or _amounts(before), default=None)


def _amounts(text: str) -> list[Decimal]:
    return [_number(next(filter(None, groups))) for groups in _AMOUNT.findall(text)]


def _number(written: str) -> Decimal:
    """1,234.50 and 1.234,50 and 900: the last separator with one or two digits behind it counts."""
    match = re.fullmatch(r"([\d.,]*?)(?:[.,](\d{1,2}))?[.,]*", written)
    whole, cents = match.groups() if match else (written, None)
    digits = re.sub(r"\D", "", whole) or "0"
    return Decimal(f"{digits}.{cents or 0}")


def picked(text: str, options: Sequence[str]) -> str | None:
    """Which of the options an answer means: its words, its number, or a word of it alone."""
    said = normalise(text)
    for number, option in enumerate(options, start=1):
        if said == normalise(option) or said.removeprefix("option ") == str(number):
            return option
    if len(said.split()) > _PICK_WORDS:  # more than a pick: a message of its own
        return None
    named = [o for o, word in zip(options, _ORDINALS, strict=False) if word in said.split()]
    words = set(terms(text))
    own = {o: set(terms(o)).difference(*(terms(x) for x in options if x != o)) for o in options}
    meant = named or [option for option, distinct in own.items() if words & distinct]
    return meant[0] if len(meant) == 1 else None
