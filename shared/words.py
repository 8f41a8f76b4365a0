"""The words of an English question that carry meaning."""

import re
from dataclasses import dataclass

from shared.extractive import stem

_WORD = re.compile(r"[^\W_]+(?:['’.\-][^\W_]+)*")
_STOP_WORDS = frozenset(
    """
    a about actually again all also am an and another any anyone anything are aren't as ask at back
    be because been before being best better between both but by bye can can't cannot clarify come
    could did didn't different do does doesn't doing don't done each either else ever every example
    explain few find first for from further get give given go going good got great had has have he
    hello help her here hers hey hi him his how i i'd i'll i'm i've if in instead into is isn't it
    it's its just kind know last let like list little long look lot made make makes many may maybe
    me mean means meant might mine more most much must my need never new next no not now of off oh
    ok okay on once one ones only or other others our out over own please question questions rather
    really right said same say see she should show so some something sorry speaking still such sure
    take talking tell than thank thanks that that's the their theirs them then there these they
    thing things think this those though through to too under understand until up us use used using
    very want was wasn't way we well were what what's when where which while who whom whose why will
    with without won't wonder wondering work works would yes yet you you're your
    """.split()
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word that carries meaning."""

    text: str
    stem: str
    is_name: bool  # capitalised inside a sentence, or an abbreviation


def content_words(text: str) -> list[Word]:
    """The words that carry meaning, in order, each once."""
    found: dict[str, Word] = {}
    for match in _WORD.finditer(text):
        word = match.group().removesuffix("'s").removesuffix("’s")
        before = text[max(0, match.start() - 3) : match.start()]
        begins = not any(map(str.isalnum, before)) or any(mark in before for mark in ".!?:")
        is_name = word.isupper() or (word[0].isupper() and not begins)
        is_meant = word.lower() not in _STOP_WORDS or (is_name and word[1:].islower())
        if len(word) >= 2 and is_meant and not word.startswith(("I'", "I’")):
            found.setdefault(stem(word.lower()), Word(word, stem(word.lower()), is_name))
    return list(found.values())
