"""An answer without a model: the sentences of the passages that match the question best, quoted.

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
_PASSAGE_DECAY = 0.8  # a passage ranked r is trusted 0.8^r as much as the first


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


def rank_sentences(question: str, passages: Sequence[Passage]) -> list[Sentence]:
    """All sentences of the passages, best first: overlap weighted by rarity, decayed by rank."""
    wanted = set(terms(question))
    candidates = [
        (text, passage, position, rank)
        for rank, passage in enumerate(passages)
        for position, text in enumerate(sentences_of(passage.text))
    ]
    frequency = Counter(t for text, *_ in candidates for t in set(terms(text)))
    weight = {t: math.log(1 + len(candidates) / (1 + frequency[t])) for t in wanted}
    total = sum(weight.values()) or 1.0
    ranked = []
    for text, passage, position, rank in candidates:
        own = terms(text)
        context = set(terms(f"{passage.title} {passage.heading}"))
        overlap = sum(weight[t] for t in wanted & set(own)) / total
        topic = sum(weight[t] for t in wanted & context) / total
        lead = _LEAD_BONUS if position == 0 else 0.0
        score = (overlap + 0.5 * topic + lead) * _PASSAGE_DECAY**rank if overlap else 0.0
        ranked.append(Sentence(text, passage, position, score))
    return sorted(ranked, key=lambda sentence: -sentence.score)


def pick_sentences(question: str, passages: Sequence[Passage]) -> list[Sentence]:
    """At most three sentences of one document, in reading order; empty when none match.

    One document: sentences of two articles side by side ("Descale your Mini… Descale your One…")
    read as one answer and are not.
    """
    ranked = [sentence for sentence in rank_sentences(question, passages) if sentence.score > 0]
    if not ranked:
        return []
    document = ranked[0].passage.document_id
    ranked = [sentence for sentence in ranked if sentence.passage.document_id == document]
    chosen: list[Sentence] = []
    words = 0
    for sentence in ranked:
        too_weak = sentence.score < _MIN_SHARE_OF_BEST * ranked[0].score
        words += len(sentence.text.split())
        if too_weak or len(chosen) == MAX_SENTENCES or (chosen and words > MAX_WORDS):
            break
        if all(set(terms(sentence.text)) != set(terms(other.text)) for other in chosen):
            chosen.append(sentence)
    order = {p.passage_id: rank for rank, p in enumerate(passages)}
    return sorted(chosen, key=lambda s: (order[s.passage.passage_id], s.position))


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
