"""Train the cross-encoder: the lower layers of an embedder, reading question and passage together.

    python -m services.retrieval.training.reranker --base FOLDER --documents FOLDER… --out FOLDER

Questions and passages are mined as for the embedder; the negatives of a question are passages of
other documents that share most of its rare words (BM25). The loss is the listwise softmax over one
right and `NEGATIVES` wrong passages (Gao et al. 2021, "Rethink Training of BERT Rerankers").
"""

import argparse
import math
import random
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from services.retrieval.training.export import export
from services.retrieval.training.pairs import Pair, mine_folder
from shared.vectors.lexical import count_words

LAYERS = 3  # of six: half the time, and a CPU has 25 ms for it
NEGATIVES = 5
QUESTIONS_PER_STEP = 8
PAIR_TOKENS = 112
LEARNING_RATE = 6e-5
COMMON_SHARE = 0.1  # a word in more than this share of the passages finds nothing


class CrossEncoder(nn.Module):
    """One logit per (question, passage) row: [n]."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = nn.Sequential(nn.Linear(384, 384), nn.GELU(), nn.Linear(384, 1))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        states = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(states.dtype)
        return self.head((states * mask).sum(1) / mask.sum(1)).squeeze(-1)


class LexicalNegatives:
    """Passages that share rare words with a question but belong to another document."""

    def __init__(self, pairs: list[Pair]) -> None:
        unique = {pair.passage: pair.document for pair in pairs}
        self.passages = list(unique.items())
        self.postings: defaultdict[int, list[int]] = defaultdict(list)
        for number, (passage, _) in enumerate(self.passages):
            for word in count_words(passage, "en"):
                self.postings[word].append(number)

    def __call__(self, pair: Pair, chance: random.Random) -> list[str]:
        scores: Counter[int] = Counter()
        total = len(self.passages)
        for word in count_words(pair.question, "en"):
            found = self.postings.get(word, [])
            if 0 < len(found) < COMMON_SHARE * total:
                weight = math.log(total / len(found))
                for number in found:
                    scores[number] += weight
        best = [self.passages[number] for number, _ in scores.most_common(40)]
        wrong = [passage for passage, document in best if document != pair.document][:25]
        wrong += [chance.choice(self.passages)[0] for _ in range(NEGATIVES)]
        return chance.sample(wrong, NEGATIVES)


def train(pairs: list[Pair], base: Path, minutes: float, seed: int) -> tuple[CrossEncoder, object]:
    """A cross-encoder trained for so many minutes, and its tokenizer."""
    torch.manual_seed(seed)
    chance = random.Random(seed)
    tokenizer = AutoTokenizer.from_pretrained(base)
    encoder = AutoModel.from_pretrained(base, attn_implementation="eager")
    encoder.encoder.layer = encoder.encoder.layer[:LAYERS]
    encoder.config.num_hidden_layers = LAYERS
    encoder.embeddings.word_embeddings.requires_grad_(False)
    model = CrossEncoder(encoder)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.01)
    negatives = LexicalNegatives(pairs)
    started, step = time.monotonic(), 0
    model.train()
    while (done := (time.monotonic() - started) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * min(1, 10 * done) * 0.5 * (1 + math.cos(math.pi * done))
        chosen = chance.sample(pairs, QUESTIONS_PER_STEP)
        loss = step_loss(model, tokenizer, chosen, [negatives(pair, chance) for pair in chosen])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        if step % 20 == 0:
            print(f"{done:.0%} step {step} loss {loss:.3f}", file=sys.stderr, flush=True)
    return model, tokenizer


def step_loss(
    model: CrossEncoder, tokenizer: AutoTokenizer, pairs: list[Pair], wrong: list[list[str]]
) -> Tensor:
    """Softmax over the right passage (column 0) and the wrong ones."""
    rows = [(pair.question, passage) for pair, others in zip(pairs, wrong, strict=True)
            for passage in (pair.passage, *others)]  # fmt: skip
    inputs = tokenizer(
        [question for question, _ in rows], [passage for _, passage in rows], padding=True,
        truncation="longest_first", max_length=PAIR_TOKENS, return_tensors="pt",
    )  # fmt: skip
    logits = model(**inputs).view(len(pairs), NEGATIVES + 1)
    return nn.functional.cross_entropy(logits, torch.zeros(len(pairs), dtype=torch.long))


def main() -> None:
    """Read the arguments, train, export."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--documents", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=11)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(2)
    pairs = [pair for folder in given.documents for pair in mine_folder(folder)]
    model, _ = train(pairs, given.base, given.minutes, given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    export(model, given.out / "model.onnx", "logits", {0: "batch"})


if __name__ == "__main__":
    main()
