"""Cheap noise that makes a clean sentence look typed on a phone."""

import random

_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip
_SHORT = {
    "you": "u", "your": "ur", "are": "r", "please": "pls", "because": "cuz", "with": "w",
    "want": "wanna", "going": "goin", "thanks": "thx", "and": "n", "the": "teh", "my": "me",
    "what": "wat", "have": "hav", "don't": "dont", "can't": "cant", "i'm": "im", "it's": "its",
}  # fmt: skip


def noisy(text: str, strength: float, chance: random.Random) -> str:
    """`text` with some typos, dropped punctuation or other case; 0 leaves it, 1 spoils a lot."""
    if chance.random() >= strength:
        return text
    words = [_word(word, chance) for word in text.split()]
    if len(words) > 4 and chance.random() < 0.15:
        words.pop(chance.randrange(len(words)))
    changed = " ".join(words)
    if chance.random() < 0.3:
        changed = "".join(c for c in changed if c.isalnum() or c in " '")
    return changed if changed.strip() else text


def _word(word: str, chance: random.Random) -> str:
    if chance.random() < 0.25 and word.lower() in _SHORT:
        return _SHORT[word.lower()]
    return _typo(word, chance) if len(word) > 3 and chance.random() < 0.12 else word


def _typo(word: str, chance: random.Random) -> str:
    """One letter swapped with the next, dropped, doubled or hit beside."""
    at = chance.randrange(1, len(word) - 1)
    kind = chance.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 1:
        return word[:at] + word[at + 1 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    beside = _NEIGHBOURS.get(word[at].lower())
    return word[:at] + chance.choice(beside) + word[at + 1 :] if beside else word
