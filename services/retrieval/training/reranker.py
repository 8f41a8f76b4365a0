"""Train the cross-encoder: an embedder's layers, reading question and passage together.

    python -m services.retrieval.training.reranker --base FOLDER --documents FOLDER --out FOLDER

The loss is the listwise softmax over one right passage and `NEGATIVES` that the hybrid search ranks
high (Gao et al. 2021, "Rethink Training of BERT Rerankers in Multi-Stage Retrieval Pipeline").
Look-alike questions (`--paraphrases`) are mixed in, so that it does not forget everyday English.
With `--hold-minutes` a run stops early and goes on where it was when it is started again.
"""

import argparse
import math
import pickle
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer, PreTrainedTokenizerBase

from services.retrieval.training.exact import open_corpus
from services.retrieval.training.export import export
from services.retrieval.training.groups import Group, duplicate_rows, rows_of, tempting_groups
from services.retrieval.training.pairs import questions_of, read_article
from services.retrieval.vector_cache import cached_vectors
from shared.embeddings import open_embedder
from shared.training.precision import autocast

NEGATIVES = 7
GROUPS_PER_STEP = 12
PAIR_TOKENS = 80
LEARNING_RATE = 1e-4
WARM_UP = 0.08
DUPLICATES_SHARE = 0.15  # of the groups
SAVE_EVERY_S = 120.0

Rows = list[tuple[str, str]]  # question and passage; the right one first


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


def open_model(base: Path, layers: int, attention: str = "sdpa") -> CrossEncoder:
    """The lower `layers` of an encoder under a fresh head; its word table stays as it is."""
    encoder = AutoModel.from_pretrained(base, attn_implementation=attention)
    encoder.encoder.layer = encoder.encoder.layer[:layers]
    encoder.config.num_hidden_layers = layers
    encoder.embeddings.word_embeddings.requires_grad_(False)
    return CrossEncoder(encoder)


@dataclass
class Run:
    """A training that can be put down and taken up again."""

    model: CrossEncoder
    tokenizer: PreTrainedTokenizerBase
    minutes: float
    state: Path
    spent_s: float = 0.0
    step: int = 0

    def __post_init__(self) -> None:
        self.weights = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.weights, lr=LEARNING_RATE, weight_decay=0.01)
        if self.state.is_file():
            saved = torch.load(self.state)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.spent_s, self.step = saved["spent_s"], saved["step"]

    def save(self) -> None:
        """Write everything that going on needs, all or nothing."""
        part = self.state.with_suffix(".part")
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "spent_s": self.spent_s, "step": self.step}, part)  # fmt: skip
        part.replace(self.state)

    def train(self, groups: Iterator[list[Rows]], hold_minutes: float) -> bool:
        """Train until the time is spent (True) or the hold is over (False)."""
        began, saved, before = time.monotonic(), time.monotonic(), self.spent_s
        self.model.train()
        while (done := self.spent_s / (60 * self.minutes)) < 1:
            share = min(1, done / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))
            for group in self.optimizer.param_groups:
                group["lr"] = LEARNING_RATE * share
            loss = self._step(next(groups))
            self.spent_s = before + time.monotonic() - began
            if self.step % 20 == 0:
                print(f"{done:.0%} step {self.step} loss {loss:.3f}", file=sys.stderr, flush=True)
            if time.monotonic() - saved > SAVE_EVERY_S:
                self.save()
                saved = time.monotonic()
            if time.monotonic() - began > 60 * hold_minutes:
                break
        self.save()
        return self.spent_s >= 60 * self.minutes

    def _step(self, groups: list[Rows]) -> float:
        with autocast():
            loss = listwise_loss(self.model, self.tokenizer, groups)
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.step += 1
        return float(loss)


def listwise_loss(
    model: CrossEncoder, tokenizer: PreTrainedTokenizerBase, groups: list[Rows]
) -> Tensor:
    """Softmax over the right passage (column 0) and the wrong ones; groups are of one size."""
    rows = [row for group in groups for row in group]
    inputs = tokenizer(
        [question for question, _ in rows], [passage for _, passage in rows], padding=True,
        truncation="longest_first", max_length=PAIR_TOKENS, return_tensors="pt",
    )  # fmt: skip
    logits = model(**inputs).float().view(len(groups), -1)
    return nn.functional.cross_entropy(logits, torch.zeros(len(groups), dtype=torch.long))


def mined_groups(documents: Path, cache: Path, kept: Path) -> list[Group]:
    """Groups of a folder's own questions; `kept` is where they are, or will be, written."""
    if kept.is_file():
        found: list[Group] = pickle.loads(kept.read_bytes())  # noqa: S301 (this script wrote it)
        return found
    embedder = open_embedder("support:", threads=2)
    corpus = open_corpus(documents, embedder, cache)
    articles = [read_article(path) for path in sorted(documents.rglob("*.md"))]
    questions = [question for article in articles for question in questions_of(article)
                 if question.keep_title or question.keep_heading]  # fmt: skip
    vectors = cached_vectors(embedder, [question.text for question in questions], cache)
    groups = [group for group in tempting_groups(questions, vectors, corpus)
              if len(group.wrong) >= NEGATIVES]  # fmt: skip
    kept.write_bytes(pickle.dumps(groups))
    return groups


def batches(groups: Sequence[Group], duplicates: Path | None, seed: int) -> Iterator[list[Rows]]:
    """Batches without end, a new draw of wrong passages each time round."""
    chance = random.Random(seed)
    other = duplicate_rows(duplicates, NEGATIVES, chance) if duplicates else []
    print(f"{len(groups)} groups, {len(other)} of duplicate questions", file=sys.stderr, flush=True)
    while True:
        mixed = [rows_of(group, NEGATIVES, chance) for group in groups]
        mixed += chance.sample(other, min(len(other), int(DUPLICATES_SHARE * len(mixed))))
        chance.shuffle(mixed)
        yield from _cut_even(mixed, GROUPS_PER_STEP)


def _cut_even(groups: Sequence[Rows], size: int) -> Iterator[list[Rows]]:
    for start in range(0, len(groups) - size + 1, size):
        yield list(groups[start : start + size])


def main() -> None:
    """Read the arguments, train, and export when the time is spent."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--paraphrases", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("var/embeddings"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--hold-minutes", type=float, default=math.inf)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    given.out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(given.base)
    run = Run(
        open_model(given.base, given.layers), tokenizer, given.minutes, given.out / "state.pt"
    )
    groups = mined_groups(given.documents, given.cache, given.out / "groups.pkl")
    drawn = batches(groups, given.paraphrases, given.seed + run.step)
    if run.train(drawn, given.hold_minutes):
        plain = open_model(given.base, given.layers, "eager")
        plain.load_state_dict(run.model.state_dict())
        export(plain, given.out / "model.onnx", "logits", {0: "batch"})


if __name__ == "__main__":
    main()
