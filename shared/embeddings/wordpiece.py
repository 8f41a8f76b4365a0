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
