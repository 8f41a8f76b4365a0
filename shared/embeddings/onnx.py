"""Any sentence-transformers encoder exported to ONNX, on onnxruntime, with mean pooling.

Batches are cut from the texts sorted by length, so that little of a batch is padding, and bounded
by tokens, so that memory does not depend on how many texts come at once.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from shared.embeddings.port import Vectors
from shared.embeddings.wordpiece import minilm_tokenizer
from shared.errors import ConfigurationError

BATCH_TEXTS = 16
BATCH_TOKENS = 2048  # padded; 16 texts of 128 tokens: about 40 MB of activations for MiniLM
TOKENIZE_TEXTS = 1024  # tokenized at a time, so that a long list is never held twice
# onnxruntime 1.32 computes its fused Add + LayerNormalization element by element: 0.15 ms for 72
# tokens of MiniLM, twelve times a run, where the two apart take 0.03. Our graphs are written so.
_SLOW_FUSIONS = ["SkipLayerNormFusion"]


def open_session(model: Path, threads: int) -> onnxruntime.InferenceSession:
    """A CPU session with `threads` threads that sleep between calls instead of spinning.

    Raises:
        ConfigurationError: the file is missing or is not a model.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(model),
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=_SLOW_FUSIONS,
        )
    except Exception as error:  # onnxruntime's own errors share no base class but Exception
        raise ConfigurationError(f"no usable ONNX model at {model}: {error}") from error


def length_sorted_batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of texts in batches of similar length: ≤ 16 texts and ≤ 2048 padded tokens each.

    A single text longer than that is a batch of its own.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        longest = lengths[batch[0]] if batch else 0
        if batch and (len(batch) == BATCH_TEXTS or longest * (len(batch) + 1) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def padded(encodings: Sequence[Encoding]) -> dict[str, NDArray[np.int64]]:
    """The model's inputs, each [texts, longest] int64, padded with zeros on the right."""
    width = max(len(encoding.ids) for encoding in encodings)
    ids, mask, types = (np.zeros((len(encodings), width), np.int64) for _ in range(3))
    for row, encoding in enumerate(encodings):
        size = len(encoding.ids)
        ids[row, :size] = encoding.ids
        mask[row, :size] = 1
        types[row, :size] = encoding.type_ids
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def unit_length(vectors: NDArray[np.float32]) -> Vectors:
    """Rows scaled to length 1; a row of zeros stays as it is."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)


class OnnxEmbedder:
    """An Embedder over one ONNX file whose first output is [texts, tokens, dimensions]."""

    def __init__(
        self,
        model: Path,
        *,
        name: str,
        threads: int = 1,
        tokenizer: Tokenizer | None = None,
        max_tokens: int = 512,
    ) -> None:
        self._session = open_session(model, threads)
        self._counter = tokenizer or minilm_tokenizer()
        self._counter.no_truncation()
        self._counter.no_padding()
        self._cutter = Tokenizer.from_str(self._counter.to_str())
        self._cutter.enable_truncation(max_tokens)
        self._inputs = {item.name for item in self._session.get_inputs()}
        self.name = name
        self.max_tokens = max_tokens
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Mean of the token vectors of each text, scaled to unit length: [n, dimensions]."""
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for start in range(0, len(texts), TOKENIZE_TEXTS):
            encodings = self._cutter.encode_batch(list(texts[start : start + TOKENIZE_TEXTS]))
            for batch in length_sorted_batches([len(encoding.ids) for encoding in encodings]):
                rows = [start + index for index in batch]
                vectors[rows] = self._pooled([encodings[index] for index in batch])
        return unit_length(vectors)

    def token_vectors(self, texts: Sequence[str], max_tokens: int) -> list[Vectors]:
        """A unit vector per token of each text, [tokens, dimensions], special tokens left out.

        Texts are cut after `max_tokens`, special tokens included.
        """
        encodings = self._cutter.encode_batch(list(texts))
        for encoding in encodings:
            encoding.truncate(max_tokens)
        found: list[Vectors] = [np.empty((0, self.dimensions), np.float32)] * len(texts)
        for batch in length_sorted_batches([len(encoding.ids) for encoding in encodings]):
            states = self._states(padded([encodings[index] for index in batch]))
            for row, index in enumerate(batch):
                kept = ~np.array(encodings[index].special_tokens_mask, dtype=bool)
                found[index] = unit_length(states[row, : len(kept)][kept])
        return found

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` without `[CLS]` and `[SEP]`, never cut."""
        return len(self._counter.encode(text, add_special_tokens=False).ids)

    def _pooled(self, encodings: Sequence[Encoding]) -> NDArray[np.float32]:
        inputs = padded(encodings)
        states = self._states(inputs)
        mask = inputs["attention_mask"].astype(np.float32)
        summed = np.einsum("btd,bt->bd", states, mask)
        return np.asarray(summed / mask.sum(axis=1, keepdims=True), dtype=np.float32)

    def _states(self, inputs: Mapping[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        feed = {name: inputs[name] for name in self._inputs}
        return np.asarray(self._session.run(None, feed)[0], dtype=np.float32)


def open_folder(folder: Path, threads: int) -> OnnxEmbedder:
    """The embedder in a sentence-transformers folder: `tokenizer.json` and an ONNX file.

    The file is `onnx/model.onnx` as sentence-transformers saves it, else `model.onnx`.

    Raises:
        ConfigurationError: a file is missing or cannot be read.
    """
    choices = [folder / "onnx" / "model.onnx", folder / "model.onnx"]
    model = next((path for path in choices if path.is_file()), None)
    if model is None:
        raise ConfigurationError(f"EMBEDDER_URL: no onnx/model.onnx or model.onnx in {folder}")
    tokens = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(tokens)) if tokens.is_file() else None
    return OnnxEmbedder(model, name=f"onnx:{folder.name}", threads=threads, tokenizer=tokenizer)
