"""An answer without a model: the sentences of the first article that match the question, quoted.

Used by generation as its built-in tier, and by the understudy that stands in when generation is
down.
It can only say what a document says, so it never invents; when nothing matches it hands over.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shared.events import Drafted, Grounded, Passage
from shared.markdown import sentences_of

_WORD = re.compile(r"[a-z0-9]+")
_STOP_WORDS = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have how i if in into
    is it its me my of on or our please so that the their them there they this to us was we were
    need what when where which who why will with would you your am any get got just
    """.split()
)
MAX_SENTENCES = 3
MAX_WORDS = 110  # 150 tokens of the generation budget, at about 1.35 tokens an English word
_MIN_SHARE_OF_BEST = 0.45  # a further sentence must be nearly as good as the best, or it distracts
_LEAD_BONUS = 0.15  # help articles answer in their first sentences
_LEAD_SENTENCES = 2  # quoted where the article is right in other words than the question's


@dataclass(frozen=True)
class Sentence:
    """A candidate: its text, where it stands, and how well it matches (0 = not at all)."""

    text: str
    passage: Passage
    position: int
    score: float


def stem(word: str) -> str:
    """A crude English stem: enough that "refunds", "refunded" and "refund" meet."""
    for suffix in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "ly"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            stemmed = word[: -len(suffix)]
            return stemmed + "y" if suffix == "ies" else stemmed.rstrip("e")
    return word.rstrip("e") if len(word) > 3 else word


def terms(text: str) -> list[str]:
    """The words of `text` that carry meaning, stemmed, in order."""
    return [stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP_WORDS]


def scored_sentences(question: str, passages: Sequence[Passage]) -> list[Sentence]:
    """All sentences of the passages, in order, with their overlap weighted by rarity."""
    wanted = set(terms(question))
    candidates = [
        (text, passage, position)
        for passage in passages
        for position, text in enumerate(sentences_of(passage.text))
    ]
    frequency = Counter(t for text, *_ in candidates for t in set(terms(text)))
    weight = {t: math.log(1 + len(candidates) / (1 + frequency[t])) for t in wanted}
    total = sum(weight.values()) or 1.0
    found = []
    for text, passage, position in candidates:
        own = terms(text)
        context = set(terms(f"{passage.title} {passage.heading}"))
        overlap = sum(weight[t] for t in wanted & set(own)) / total
        topic = sum(weight[t] for t in wanted & context) / total
        lead = _LEAD_BONUS if position == 0 else 0.0
        score = overlap + 0.5 * topic + lead if overlap else 0.0
        found.append(Sentence(text, passage, position, score))
    return found


def pick_sentences(question: str, passages: Sequence[Passage]) -> list[Sentence]:
    """At most three sentences of the first document, in reading order; empty when none match.

    The first: which article is meant the search knows better than words in common do (measured:
    docs/benchmarks.md). One alone: sentences of two articles side by side ("Descale your Mini…
    Descale your One…") read as one answer and are not.
    """
    scored = scored_sentences(question, passages)
    if not any(sentence.score for sentence in scored):
        return []
    document = scored[0].passage.document_id
    own = [sentence for sentence in scored if sentence.passage.document_id == document]
    matching = [sentence for sentence in own if sentence.score > 0] or own[:_LEAD_SENTENCES]
    ranked = sorted(matching, key=lambda sentence: -sentence.score)
    chosen: list[Sentence] = []
    words = 0
    for sentence in ranked:
        too_weak = sentence.score < _MIN_SHARE_OF_BEST * ranked[0].score
        words += len(sentence.text.split())
        if too_weak or len(chosen) == MAX_SENTENCES or (chosen and words > MAX_WORDS):
            break
        if all(set(terms(sentence.text)) != set(terms(other.text)) for other in chosen):
            chosen.append(sentence)
    return [sentence for sentence in own if sentence in chosen]


def draft_from_passages(event: Grounded) -> Drafted:
    """The extractive answer to a grounded turn, or the wish to hand over when nothing matches."""
    chosen = pick_sentences(event.resolved or event.text, event.passages)
    hand_over = "" if chosen else "No document answers this question."
    if event.route == "escalate_human":
        hand_over = "The customer needs a person."
    return event.then(
        Drafted,
        text=" ".join(sentence.text for sentence in chosen),
        question=event.text,
        personal=bool(event.findings),
        confidence=event.answerable,
        tier="extractive",
        cited=tuple(dict.fromkeys(s.passage.passage_id for s in chosen)),
        hand_over=hand_over,
    )
