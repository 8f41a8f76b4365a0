"""MiniLM over "[CLS] a [SEP] b [SEP]", and a small head on what it says of either question."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared.training.precision import autocast

HEAD = 256


class PairModel(nn.Module):  # type: ignore[misc]
    """Token ids and segment numbers in, one logit per pair out.

    The encoder is a DistilBERT, which knows no segments: `segment` is what BERT adds to the second
    question's tokens, beyond what it adds to the first's. The head sees the first token, the sum,
    the distance and the product of the questions' means; but for the encoder it is symmetric.
    """

    def __init__(self, encoder: nn.Module, segment: Tensor) -> None:
        super().__init__()
        width = len(segment)
        self.encoder = encoder
        self.segment = nn.Parameter(segment.clone())
        self.dropout = nn.Dropout(0.1)
        self.hidden = nn.Linear(4 * width, HEAD)
        self.same = nn.Linear(HEAD, 1)

    def forward(self, ids: Tensor, mask: Tensor, segments: Tensor) -> Tensor:
        """[n, tokens] int64 each; `mask` 1 at real tokens, `segments` 1 in the second: [n]."""
        with autocast():
            words = self.encoder.embeddings.word_embeddings(ids)
            words = words + segments[..., None].to(words.dtype) * self.segment
            states = self.encoder(inputs_embeds=words, attention_mask=mask).last_hidden_state
        return self.head(states.float(), (mask * (1 - segments)).float(), segments.float())

    def head(self, states: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """`first`, `second`: 1 at the question's tokens, [n, tokens]; to logits [n]."""
        a, b = _mean(states, first), _mean(states, second)
        seen = torch.cat([states[:, 0], a + b, (a - b).abs(), a * b], dim=-1)
        return self.same(self.dropout(functional.gelu(self.hidden(self.dropout(seen)))))[:, 0]


def _mean(states: Tensor, weights: Tensor) -> Tensor:
    return (states * weights[..., None]).sum(1) / weights.sum(1, keepdim=True)
