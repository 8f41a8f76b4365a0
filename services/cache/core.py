"""Pure rules of the cache: may this be looked up, do two questions want the same answer?

Why rules after cosine: with MiniLM "how do I cancel" and "how do I not cancel" have cosine 0.98,
"What's your refund policy?" and "How do I get a refund?" 0.73 (DESIGN.md). No threshold can work.
"""

import hashlib
import re
from collections.abc import Sequence
from itertools import pairwise

from shared.answers import Remembered
from shared.events import Answered, Exchange, Screened
from shared.extractive import stem, terms
from shared.keywords import ASKS_FOR_PERSON

_NUMBER = re.compile(r"\d+(?:[.,]\d+)?")
_WRITTEN_NUMBERS = {  # without "one", which is a pronoun more often
    word: str(value)
    for value, word in enumerate(
        "two three four five six seven eight nine ten eleven twelve".split(), 2
    )
}
_DURATION = re.compile(
    r"\b(?P<half>half )?(?P<count>\d+|an?|one|" + "|".join(_WRITTEN_NUMBERS) + r")[ -]"
    r"(?:working |business |full |whole )?(?P<unit>minute|hour|day|week|month|year)s?\b",
    re.I,
)
_MINUTES = {"minute": 1, "hour": 60, "day": 1440, "week": 7 * 1440, "month": 30 * 1440,
            "year": 12 * 30 * 1440}  # fmt: skip
_DAY = re.compile(
    r"\b(?P<day>good friday|(?:mon|tues|wednes|thurs|fri|satur|sun)day|christmas eve|christmas"
    r"|new year|easter)s?\b",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|without|none|nothing|cannot|stop(?:ped)?|un(?:able|subscribe\w*))\b|n['’]t\b",
    re.I,
)
_AUXILIARY = re.compile(
    r"\b(?:can|could|do|does|did|is|are|was|were|have|has|had|should|would|will|wo|must|need)"
    r"(?=n['’]t\b|not\b|\b)"
)
_NEARLY_SAME = 0.7  # share of all words that both have
_FROM_TO = re.compile(
    r"\bfrom\s+(?:(?:an?|the|my)\s+)?([\w-]+)\b.*?\b(?:in)?to\s+(?:(?:an?|the|my)\s+)?([\w-]+)"
)
_WITHOUT = re.compile(r"([\w-]+)\s+without\s+(?:(?:an?|the|my|any)\s+)?([\w-]+)")
_WORD = re.compile(r"[a-z]+")
# Words that decide what is asked: two questions that differ in one of them want other answers.
_DECISIVE = frozenset(
    stem(word)
    for word in """
        cancel change return refund exchange replace repair pause resume skip start stop open
        close create delete add remove enable disable activate deactivate connect disconnect
        upgrade downgrade buy sell send receive pay paid charge unsubscribe subscribe track lost
        late missing wrong damaged broken before after under over without order subscription club
        plan account password email address card invoice receipt gift voucher discount code
        delivery shipping parcel label warranty grinder machine scale mini one grind solo duo
        household beans capsule filter water milk pump leak noise wifi bluetooth app update reset
        descale clean time cost price fee free where when long much often many year month week day
        country abroad international europe germany france spain italy belgium netherlands uk us
        usa ireland austria switzerland norway student company business tax vat phone chat hours
        into out off
    """.split()
)
_SYNONYMS = {
    stem(word): stem(to)
    for word, to in {
        "shipping": "delivery",
        "ship": "delivery",
        "deliver": "delivery",
        "postage": "delivery",
        "parcel": "order",
        "package": "order",
        "terminate": "cancel",
        "modify": "change",
        "edit": "change",
        "switch": "change",
        "membership": "subscription",
        "club": "subscription",
        "wi": "wifi",
        "e": "",
        "mail": "email",
        "price": "cost",
        "fee": "cost",
        "postpone": "pause",
        "freeze": "pause",
        "coupon": "voucher",
        "promo": "discount",
    }.items()
}
# Words that say how a question is put, not what it is about; all others must agree.
_HARMLESS = frozenset(
    stem(word)
    for word in """
        please help want need wish like would know tell explain show possible way best actually
        really exactly currently again hello hi hey thanks thank dear quick question wondering
        guys there anyone someone able let give find out whats hows im ive id about should must
        shall may might also too very more some many much long often soon going make sure
        properly correct own new old work happen
    """.split()
)
# Of Quora's pairs, 84 % of those that this parts are marked as different.
_ASKS = re.compile(
    r"\W*(?:(?:and|but|so|ok|okay|hi|hello|please)\W+)*(?:(?P<place>where)"
    r"|(?P<time>when|what time|how (?:long|soon|quickly|fast)|how (?:much time|many days))"
    r"|(?P<often>how (?:often|frequently|regularly))|(?P<amount>how (?:much|many))"
    r"|(?P<reason>why)|(?P<person>who))\b",
    re.I,
)
# Of Quora's pairs, 80 % of those that this parts are marked as different. The last three: rivals.
_OPPOSITES = tuple(
    tuple(frozenset(side.split()) for side in line.split(":"))
    for line in """
        raise increase increasing higher : lower lowering decrease decreasing reduce
        more : less fewer
        hot hotter warmer : cold colder cooler
        loud louder : quiet quieter
        longer : shorter
        bigger larger : smaller
        thicker : thinner
        stronger : weaker
        faster : slower
        earlier : later
        before : after
        with : without
        enable activate : disable deactivate
        connect : disconnect
        lock : unlock
        upgrade : downgrade
        upload : download
        import : export
        minimum : maximum
        incoming : outgoing
        subscribe : unsubscribe
        add : remove
        inside : outside
        lost : damaged
        buy purchase order : use using
        credit : debit
        android : iphone ios
        wifi wi fi wlan wireless : bluetooth
        standard regular : express
        broken opened : intact sealed unopened unbroken
        everything : thing item part partial single
    """.strip().splitlines()
)
_ANAPHORA = re.compile(
    r"^(?:and|but|so|also|then|what about|how about|ok|okay|yes|no|sure|why)\b"
    r"|\b(?:it|that|this|those|these|them|they|there|he|she|one of (?:them|those)|the same)\b",
    re.I,
)
_SHORT_WORDS = 4  # a follow-up of so few words leans on what came before


def numbers(text: str) -> frozenset[str]:
    """Numbers that must agree, decimal comma or point alike, "two" like 2, "a week" like 7 days."""
    spans = {f"{_minutes(found):g} min" for found in _DURATION.finditer(text)}
    rest = _DURATION.sub(" ", text)
    digits = {found.replace(",", ".") for found in _NUMBER.findall(rest)}
    words = (_WRITTEN_NUMBERS.get(word) for word in _WORD.findall(rest.lower()))
    return frozenset(spans | digits.union(word for word in words if word))


def _minutes(found: re.Match[str]) -> float:
    count = found["count"].lower()
    number = float(_WRITTEN_NUMBERS.get(count, count if count.isdigit() else "1"))
    return number * _MINUTES[found["unit"].lower()] * (0.5 if found["half"] else 1)


def is_negated(text: str) -> bool:
    """Whether the question turns something round; an even count of negations cancels out."""
    return len(_NEGATION.findall(text)) % 2 == 1


def decisive_words(text: str) -> tuple[str, ...]:
    """The words of `text` that decide which answer it wants, with synonyms folded.

    In the order of their first use: "from Solo to Duo" is not "from Duo to Solo".
    """
    stems = (stem(word) for word in _WORD.findall(text.lower()))
    folded = (_SYNONYMS.get(found, found) for found in stems)
    return tuple(dict.fromkeys(found for found in folded if found in _DECISIVE))


def subject(text: str) -> frozenset[str]:
    """What a question is about: its content words, synonyms folded, harmless ones left out."""
    folded = (_SYNONYMS.get(term, term) for term in terms(text))
    return frozenset(term for term in folded if term and term not in _HARMLESS)


def names(text: str) -> frozenset[str]:
    """Capitalised words inside the sentence, lower case: products, places, people."""
    words = text.split()
    return frozenset(
        word.strip(".,!?;:'\"()").lower()
        for before, word in pairwise(words)
        if word[:1].isupper() and not before.endswith((".", "!", "?")) and word not in ("I", "I'm")
    )


def differs(asked: str, remembered: str) -> bool:
    """Whether the two surely want different answers, whatever a classifier says."""
    return (
        _numbers_clash(asked, remembered)
        or _days_clash(asked, remembered)
        or _turned_round(asked, remembered)
        or _asks_other(asked, remembered)
        or _opposed(asked, remembered)
        or _way(asked) == _way(remembered)[::-1] != ()
    )


def _numbers_clash(asked: str, remembered: str) -> bool:
    """Each names a number that the other lacks; one that says more than the other may be fine."""
    ours, theirs = numbers(asked), numbers(remembered)
    return bool(ours - theirs and theirs - ours)


def _days_clash(asked: str, remembered: str) -> bool:
    """Each names a day that the other lacks; "Friday" is not Good Friday."""
    ours, theirs = ({found["day"].lower() for found in _DAY.finditer(text)}
                    for text in (asked, remembered))  # fmt: skip
    return bool(ours - theirs and theirs - ours)


def _asks_other(asked: str, remembered: str) -> bool:
    """One begins with "where", say, and the other with "when"."""
    ours, theirs = _asks_for(asked), _asks_for(remembered)
    return bool(ours and theirs and ours != theirs)


def _opposed(asked: str, remembered: str) -> bool:
    """One says "raise", say, and the other "lower", and neither says both."""
    ours, theirs = (frozenset(_WORD.findall(text.lower())) for text in (asked, remembered))
    return any((_says(ours, one, other) and _says(theirs, other, one))
               or (_says(ours, other, one) and _says(theirs, one, other))
               for one, other in _OPPOSITES)  # fmt: skip


def _says(words: frozenset[str], this: frozenset[str], not_this: frozenset[str]) -> bool:
    return bool(words & this) and not words & not_this


def _asks_for(text: str) -> str:
    """The kind of thing asked for, where the first words say so; else empty."""
    found = _ASKS.match(text)
    return (found.lastgroup or "") if found else ""


def _turned_round(asked: str, remembered: str) -> bool:
    """One negates what the other says in nearly the same words."""
    if is_negated(asked) == is_negated(remembered):
        return False
    ours, theirs = _plain_words(asked), _plain_words(remembered)
    return len(ours & theirs) >= _NEARLY_SAME * len(ours | theirs)


def _plain_words(text: str) -> frozenset[str]:
    """Words without negations and the auxiliaries that carry them."""
    return frozenset(_WORD.findall(_NEGATION.sub(" ", _AUXILIARY.sub(" ", text.lower()))))


def _way(text: str) -> tuple[str, ...]:
    """("solo", "duo") of "from Solo to Duo" and "Solo without Duo"; empty if there is no order."""
    found = _FROM_TO.search(text.lower()) or _WITHOUT.search(text.lower())
    return found.groups() if found else ()


def same_answer(asked: str, remembered: str) -> bool:
    """Whether the answer to `remembered` surely serves `asked`. When in doubt: no."""
    if numbers(asked) != numbers(remembered) or is_negated(asked) != is_negated(remembered):
        return False
    if decisive_words(asked) != decisive_words(remembered):
        return False
    if subject(asked) != subject(remembered):
        return False
    ours, theirs = asked.lower(), remembered.lower()
    named = names(asked) | names(remembered)
    if not all(name in ours and name in theirs for name in named):
        return False
    # "Why do Poles dislike Russians?" is not the other way round.
    return sorted(named, key=ours.index) == sorted(named, key=theirs.index)


def leans_on_context(text: str, context: Sequence[Exchange]) -> bool:
    """Whether a question means something only after what came before it."""
    return bool(context) and (len(text.split()) <= _SHORT_WORDS or bool(_ANAPHORA.search(text)))


def may_look_up(event: Screened) -> bool:
    """Personal, sensitive or context-bound questions get an answer of their own."""
    if event.cache_control in ("no-cache", "no-store"):
        return False
    if event.context and (event.context[-1].offer or event.context[-1].options):
        return False  # an answer to what the bot asked
    if ASKS_FOR_PERSON.search(event.text):
        return False  # whatever was answered to a question like it: this one wants a person
    if asked_again(event.text, event.context):
        return False  # the same answer a third time is no help: the router sees the loop
    return not (event.findings or event.flags or leans_on_context(event.text, event.context))


def asked_again(text: str, context: Sequence[Exchange]) -> bool:
    """Whether this conversation has had the same question answered twice before."""
    wanted = subject(text)
    return sum(subject(exchange.question) == wanted for exchange in context) >= 2


_PLACEHOLDER = re.compile(r"<[A-Z][A-Z_]*_\d+>")
_SENTENCE_END = re.compile(r"[.!?…:][\s\"'”’)\]]*$")


def may_remember(event: Answered) -> bool:
    """A finished, checked answer from documents that would serve anybody who asks the same."""
    if not (event.last and event.cacheable and event.origin == "knowledge" and event.fingerprint):
        return False
    personal = _PLACEHOLDER.search(event.question) or _PLACEHOLDER.search(event.text)
    # A model that ran out of tokens stops in the middle of a sentence; quotes may end in a list.
    cut = event.tier in ("small", "large") and not _SENTENCE_END.search(event.text)
    return event.cache_control != "no-store" and not personal and not cut


def is_sampled(turn_id: str, share: float) -> bool:
    """Whether a turn is in the sample; always the same for the same turn."""
    draw = int.from_bytes(hashlib.sha256(turn_id.encode()).digest()[:4], "big")
    return draw < share * 2**32


def agrees(cached: Remembered, fresh: Answered, likeness: float, enough: float) -> bool:
    """Whether a fresh answer says the same: out of the same document, or in like words.

    `likeness`: cosine of the two texts.
    """
    sources = {citation.document_id for citation in cached.citations}
    shared = any(citation.document_id in sources for citation in fresh.citations)
    return shared or likeness >= enough
