"""Make a follow-up self-contained: the earlier words of the conversation that it leans on. Pure.

"How is it made?" after "What is cold brew?" is searched as "How is it made? (cold brew)". Rules
decide whether a question leans on what came before; then it is given what the conversation is
about: the content words of the question before, and of those which that one leaned on in its turn.
A question that stands by itself stays as it is, letter for letter. No model is asked.

English only: a question in another language stays as it is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared.embeddings import Vectors
from shared.extractive import stem
from shared.vectors.lexical import language_of

MAX_TURNS = 6  # further back, a word is rarely meant any more
MAX_CARRIED_WORDS = 8  # more would outweigh the question itself
SHORT_WORDS = 2  # so few content words are half a question, unless one of them is a name
FULL_WORDS = 6  # with more content words, a pronoun mostly stands for one of them

_WORD = re.compile(r"[^\W_]+(?:['’.\-][^\W_]+)*")
_PRONOUN = re.compile(
    r"\b(?:it|its|they|them|their|theirs|he|him|his|she|her|hers|this|these|those|ones?|there"
    r"|that(?=\s*[?.!,]|\s*$|\s+\w+\s*[?.!]|\s+(?:is|was|does|works?|mean|means|case|one)\b)"
    r"|former|latter|same)\b",
    re.I,
)
# "Is it safe to …", "how long does it take to …": the pronoun stands for what follows.
_EMPTY_IT = re.compile(
    r"\b(?:is|was|be|would|will|does|can|if|makes?)\s+it\s+(?:\w+\s+){0,2}(?:to|that|if|for)\b"
    r"|\bthere\s+(?:is|are|was|were|any|an?)\b|\b(?:is|are|was|were|isn't|aren't)\s+there\b",
    re.I,
)
_OPENING = re.compile(
    r"^\W*(?:and|but|or|so|also|then|what about|how about|ok(?:ay)?|yes|no|any|in that case)\b",
    re.I,
)
_DEFINITION = re.compile(r"^\W*(?:what|who)\s*(?:'s|’s|is|are|was|were)\b", re.I)
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


def leans_on_earlier(question: str) -> bool:
    """Whether a question looks as if it means something only after what came before it."""
    words = content_words(question)
    if _OPENING.match(question):
        return True
    if len(words) <= SHORT_WORDS and not any(word.is_name for word in words):
        return True
    if len(words) == 1 and not _DEFINITION.match(question):
        return True
    return len(words) <= FULL_WORDS and bool(_PRONOUN.search(_EMPTY_IT.sub(" ", question)))


def carried_words(questions: Sequence[str]) -> list[str]:
    """What the last of `questions` needs from the ones before it; empty if it needs nothing."""
    topic: list[Word] = []
    carried: list[Word] = []
    for question in questions[-MAX_TURNS - 1 :]:
        own = content_words(question)
        said = {word.stem for word in own}
        carried = [word for word in topic if word.stem not in said]
        carried = carried[:MAX_CARRIED_WORDS] if leans_on_earlier(question) else []
        topic = own + carried
    return [word.text for word in carried]


def resolved(question: str, earlier: Sequence[str], locale: str = "en") -> str:
    """`question` with the words it leans on; `earlier` are the customer's former questions."""
    if language_of(locale) not in ("", "en"):
        return question
    carried = carried_words([*earlier, question])
    return f"{question} ({' '.join(carried)})" if carried else question


def mixed(own: Vectors, in_context: Vectors) -> Vectors:
    """Half the question's own meaning, half that of the resolved one: [..., dimensions], unit."""
    mean = own + in_context
    unit: Vectors = mean / np.linalg.norm(mean, axis=-1, keepdims=True)
    return unit
