"""Make a follow-up self-contained: the earlier words of the conversation that it leans on. Pure.

"How is it made?" after "What is cold brew?" is searched as "How is it made? (cold brew)". Rules
decide whether a question leans on what came before; then it is given what the conversation is
about: the content words of the question before, and of those which that one leaned on in its turn.
A question that stands by itself stays as it is, letter for letter. No model is asked.

English only: a question in another language stays as it is.
"""

import re
from collections.abc import Sequence

import numpy as np

from shared.embeddings import Vectors
from shared.vectors.lexical import language_of
from shared.words import Word, content_words

MAX_TURNS = 6  # further back, a word is rarely meant any more
MAX_CARRIED_WORDS = 8  # more would outweigh the question itself
SHORT_WORDS = 2  # so few content words are half a question, unless one of them is a name
FULL_WORDS = 6  # with more content words, a pronoun mostly stands for one of them

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
