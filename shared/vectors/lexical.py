"""Field-weighted BM25 as sparse vectors: the store multiplies by rarity (IDF), we do the rest.

A word in the title says more about a chunk than the same word in its body. BM25F adds up the
occurrences of a word over the fields, each normalised by the length of its own field and weighted,
before they saturate. Words are cut, stemmed and hashed by Qdrant's own analyser, the same one in
its embedded engine and in its server.

Source: Robertson & Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", §3.6.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from qdrant_edge import Bm25, Bm25Config

from shared.vectors.port import Chunk

SATURATION_K = 1.2  # how soon a repeated word stops counting; the usual default
_COUNT_K = 1e9  # so large that the analyser's saturated weight is the plain count
_LANGUAGES = {
    "ar": "arabic", "da": "danish", "nl": "dutch", "en": "english", "fi": "finnish",
    "fr": "french", "de": "german", "el": "greek", "hu": "hungarian", "it": "italian",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "es": "spanish",
    "sv": "swedish", "tr": "turkish",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    """How much a field counts, how strongly its length is normalised, its usual length in words."""

    weight: float
    length_b: float
    usual_words: float


# Chosen on the dev queries of kb_office (services/retrieval/RESULTS.md); lengths are its means.
TITLE = Field(weight=4.0, length_b=0.5, usual_words=6)
TOP_HEADING = Field(weight=4.0, length_b=0.5, usual_words=8)  # often a second title
HEADINGS = Field(weight=1.0, length_b=0.3, usual_words=4)
BODY = Field(weight=1.0, length_b=0.6, usual_words=43)


def language_of(locale: str) -> str:
    """The language part of a locale: "en" of "en-GB" and of "en_US"; "" stays ""."""
    return locale.replace("_", "-").partition("-")[0].lower()


@lru_cache(maxsize=32)
def _analyser(language: str) -> Bm25:
    name = _LANGUAGES.get(language, "english")
    return Bm25(Bm25Config(k=_COUNT_K, b=0.0, avg_len=1.0, language=name))


def count_words(text: str, locale: str) -> dict[int, int]:
    """How often each stemmed word, as its hash, stands in `text`; stop words are left out."""
    sparse = _analyser(language_of(locale)).embed_document(text)
    return {word: round(value) for word, value in zip(sparse.indices, sparse.values, strict=True)}


def field_weighted(fields: Iterable[tuple[Field, Mapping[int, int]]]) -> dict[int, float]:
    """BM25F weights of the words of one chunk, still to be multiplied by their IDF."""
    together: defaultdict[int, float] = defaultdict(float)
    for field, counts in fields:
        length = sum(counts.values()) / field.usual_words
        norm = 1 - field.length_b + field.length_b * length
        for word, count in counts.items():
            together[word] += field.weight * count / norm
    return {
        word: value * (SATURATION_K + 1) / (value + SATURATION_K)
        for word, value in together.items()
    }


def encode_chunk(chunk: Chunk) -> dict[int, float]:
    """The sparse vector of a chunk: word hash → weight."""
    top, inner = chunk.headings[:1], chunk.headings[1:]
    parts = ((TITLE, chunk.title), (TOP_HEADING, " ".join(top)), (HEADINGS, " ".join(inner)),
             (BODY, chunk.text))  # fmt: skip
    return field_weighted((field, count_words(text, chunk.locale)) for field, text in parts)


def encode_query(text: str, locale: str) -> dict[int, float]:
    """The sparse vector of a question: every different word counts once."""
    return dict.fromkeys(count_words(text, locale), 1.0)
