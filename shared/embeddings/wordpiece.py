"""The uncased WordPiece tokenizer of the BERT and MiniLM families, built from a vocabulary file.

`minilm_vocab.txt` is the vocabulary of sentence-transformers/all-MiniLM-L6-v2 (Apache 2.0), the
same 30,522 pieces as bert-base-uncased. The int8 model's package does not carry it.
"""

from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import TemplateProcessing

MINILM_VOCABULARY = Path(__file__).parent / "minilm_vocab.txt"


def minilm_tokenizer() -> Tokenizer:
    """A tokenizer with no truncation and no padding: `[CLS] a [SEP]` or `[CLS] a [SEP] b [SEP]`."""
    vocabulary = WordPiece.read_file(str(MINILM_VOCABULARY))
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 (a token of text)
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    return tokenizer


class WordPieceCounter:
    """Counts tokens with a tokenizer alone."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` without `[CLS]` and `[SEP]`, never cut."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def open_word_piece_counter(folder: Path | None) -> WordPieceCounter:
    """The counter of a sentence-transformers folder; of MiniLM when there is no tokenizer in it."""
    file = folder / "tokenizer.json" if folder else None
    own = file is not None and file.is_file()
    return WordPieceCounter(Tokenizer.from_file(str(file)) if own else minilm_tokenizer())
