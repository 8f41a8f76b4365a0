"""A re-rank by words: which candidate says what few of the candidates say?

BM25 weighs a word by its rarity among all documents, and reads one chunk. Among the few dozen
articles that were found everybody says "Outlook" and "error"; other words tell them apart. So the
candidates' whole articles are read, and a word or a pair of neighbouring words weighs what it is
worth among them. Nothing is trained, and it costs a millisecond or two.

Source: Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", with
the candidates as the collection; pairs of neighbours as in Metzler & Croft 2005, "A Markov Random
Field Model for Term Dependencies" (sequential dependence).
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.vectors import Chunk
from shared.vectors.lexical import SATURATION_K, count_words

KEPT_WORDS = 10_000_000  # of four bytes: about 10,000 long articles
LENGTH_B = 0.6  # how strongly an article's length is normalised: BM25's b
_BREAK = 0  # between parts: words across it are no neighbours

Words = NDArray[np.uint32]  # stemmed words as hashes in reading order, stop words left out
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Article:
    """A document's words, and those of its title with the headings above its first text."""

    words: Words
    headline: Words


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the words say of each candidate: arrays [candidates]."""

    cover: Numbers  # 0–1: share of the question's words that the article has, by their rarity here
    phrases: Numbers  # ≥ 0: BM25 of the question's pairs of neighbouring words
    headline_phrases: Numbers  # the same, in the headline alone
    length: Numbers  # logarithm of the article's words
    headline_length: Numbers


def words_of(text: str, locale: str) -> list[int]:
    """The words of `text` as the lexical index sees them, in order."""
    found = (_hash(word, locale) for word in re.findall(r"\w+", text.lower()))
    return [word for word in found if word is not None]


@lru_cache(maxsize=100_000)
def _hash(word: str, locale: str) -> int | None:
    """None for a stop word."""
    return next(iter(count_words(word, locale)), None)


def article_of(chunks: Sequence[Chunk]) -> Article:
    """All chunks of a document, in reading order; at least one."""
    first, locale = chunks[0], chunks[0].locale
    title = words_of(first.title, locale)
    words, above = list(title), None
    for chunk in chunks:
        if chunk.headings != above:
            words += [_BREAK, *words_of(chunk.heading, locale)]
            above = chunk.headings
        words += [_BREAK, *words_of(chunk.text, locale)]
    headline = [*title, _BREAK, *words_of(first.heading, locale)]
    return Article(np.array(words, np.uint32), np.array(headline, np.uint32))


def evidence(question: Sequence[int], articles: Sequence[Article]) -> Evidence:
    """How the candidates compare; all zero for a question of stop words."""
    single = list(dict.fromkeys(question))
    pairs = list(dict.fromkeys(pairwise(question)))
    whole = _Texts([article.words for article in articles])
    heads = _Texts([article.headline for article in articles])
    has = np.array([whole.count(word) > 0 for word in single]).reshape(len(single), len(articles))
    rarity = _rarity(has)
    return Evidence(
        cover=rarity @ has / max(float(rarity.sum()), 1e-9),
        phrases=whole.phrases(pairs),
        headline_phrases=heads.phrases(pairs),
        length=np.log(whole.lengths + 1.0),
        headline_length=np.log(heads.lengths + 1.0),
    )


def named(question: Sequence[int], products: Sequence[str], locale: str) -> Numbers:
    """1 where the question names a candidate's product, as its author wrote it in the document."""
    said = set(question)
    known = {product: set(words_of(product, locale)) for product in set(products)}
    return np.array([float(bool(known[p]) and known[p] <= said) for p in products])


def _rarity(has: NDArray[np.bool_]) -> Numbers:
    """BM25's inverse document frequency, with the candidates as the collection: [terms]."""
    having = has.sum(axis=1)
    return np.asarray(np.log1p((has.shape[1] - having + 0.5) / (having + 0.5)))


class _Texts:
    """Several texts in one array, so that a word is looked for in all of them at once."""

    def __init__(self, texts: Sequence[Words]) -> None:
        self.lengths = np.array([len(text) for text in texts], np.int64)
        edge = np.array([_BREAK], np.uint32)  # no text is empty, and none runs into the next
        self._all = np.concatenate([part for text in texts for part in (text, edge)])
        self._starts = np.concatenate([[0], np.cumsum(self.lengths + 1)[:-1]])
        self._places: dict[int, NDArray[np.bool_]] = {}

    def count(self, word: int) -> NDArray[np.int64]:
        """How often each text has it."""
        return self._per_text(self._at(word))

    def phrases(self, pairs: Sequence[tuple[int, int]]) -> Numbers:
        """BM25 over pairs of neighbours: [texts]."""
        counts = np.array([self._per_text(self._at(a) & np.append(self._at(b)[1:], False))
                           for a, b in pairs]).reshape(len(pairs), len(self.lengths))  # fmt: skip
        usual = max(1.0, float(self.lengths.mean()))
        norm = SATURATION_K * (1 - LENGTH_B + LENGTH_B * self.lengths / usual)
        return np.asarray(_rarity(counts > 0) @ (counts * (SATURATION_K + 1) / (counts + norm)))

    def _at(self, word: int) -> NDArray[np.bool_]:
        if word not in self._places:
            self._places[word] = self._all == word
        return self._places[word]

    def _per_text(self, places: NDArray[np.bool_]) -> NDArray[np.int64]:
        return np.add.reduceat(places, self._starts, dtype=np.int64)


class Articles:
    """The words of documents, made when they are indexed or first met. Thread-safe, synchronous."""

    def __init__(
        self, chunks_of: Callable[[str, str], Sequence[Chunk]], kept_words: int = KEPT_WORDS
    ) -> None:
        self._chunks_of = chunks_of
        self._room = kept_words
        self._known: OrderedDict[tuple[str, str, str], Article] = OrderedDict()
        self._lock = threading.Lock()

    def learn(self, chunks: Sequence[Chunk]) -> Article:
        """Keep a document; `chunks` are all of it. The longest unused make room."""
        article = article_of(chunks)
        with self._lock:
            self._forget(_key(chunks[0]))
            self._known[_key(chunks[0])] = article
            self._room -= len(article.words)
            while self._room < 0 and len(self._known) > 1:
                self._forget(next(iter(self._known)))
        return article

    def of(self, chunk: Chunk) -> Article:
        """The whole document that a chunk is from."""
        with self._lock:
            if (known := self._known.get(_key(chunk))) is not None:
                self._known.move_to_end(_key(chunk))
                return known
        return self.learn(self._chunks_of(chunk.tenant_id, chunk.document_id) or [chunk])

    def _forget(self, key: tuple[str, str, str]) -> None:
        if (article := self._known.pop(key, None)) is not None:
            self._room += len(article.words)


def _key(chunk: Chunk) -> tuple[str, str, str]:
    return chunk.tenant_id, chunk.document_id, chunk.document_version
