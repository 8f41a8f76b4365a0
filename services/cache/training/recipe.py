"""From labelled pairs to the weights of a pair classifier."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoModel

from services.cache import scores as figures
from services.cache.pairs import Pair, read
from services.cache.training import loop, split
from services.cache.training.loop import Encoded, Recipe
from services.cache.training.model import PairModel
from services.cache.training.split import Split
from shared.training import encoder

_LEAST_SHARE = 0.05  # a file smaller than this share of the largest is shown several times …
_MOST_COPIES = 8  # … but no more often than this in an epoch


def gather(paths: Sequence[Path], recipe: Recipe) -> Split:
    """The pairs of all files, held out from each; small files count several times in `train`."""
    files = [split.clean(read(path)) for path in paths]
    total = sum(map(len, files))
    train: list[Pair] = []
    apart: list[Pair] = []
    at_random: list[Pair] = []
    for pairs in files:
        share = len(pairs) / total
        most = len(pairs) // 10
        apart_count, random_count = (
            min(most, int(share * count)) for count in (recipe.held_apart, recipe.held_random)
        )
        part = split.split(pairs, apart_count, random_count, recipe.seed)
        copies = round(_LEAST_SHARE / share)
        train += part.train * max(1, min(_MOST_COPIES, copies))
        apart, at_random = apart + part.apart, at_random + part.random
    return Split(train, apart, at_random)


def fresh_model() -> PairModel:
    """MiniLM's weights and a random head."""
    bert = AutoModel.from_pretrained(encoder.minilm_folder())
    types = bert.embeddings.token_type_embeddings.weight.detach()
    return PairModel(encoder.from_bert(bert), types[1] - types[0])


def train(
    paths: Sequence[Path],
    out: Path,
    recipe: Recipe,
    *,
    start: Path | None = None,
    resume: bool = False,
    minutes: float | None = None,
) -> bool:
    """Writes `weights.pt` and the held-out pairs to `out`; False: time was up, resume later.

    `start`: a `weights.pt` to go on from instead of MiniLM.
    """
    until_s = time.monotonic() + 60 * (minutes or 1e9)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / "checkpoint.pt").unlink(missing_ok=True)
    parts = gather(paths, recipe)
    split.write(out / "held_apart.jsonl", parts.apart)
    split.write(out / "held_random.jsonl", parts.random)
    model = fresh_model()
    if start is not None:
        model.load_state_dict(torch.load(start, weights_only=True))
    data = Encoded(parts.train)
    if not loop.optimise(model, data, recipe, out / "checkpoint.pt", until_s=until_s):
        return False
    torch.save(model.state_dict(), out / "weights.pt")
    for name, pairs in (("apart", parts.apart), ("random", parts.random)):
        print(name, json.dumps(measure(model, pairs)), file=sys.stderr)
    return True


def measure(model: PairModel, pairs: Sequence[Pair]) -> dict[str, float]:
    """Figures of the float network, without rules."""
    data = Encoded(pairs)
    found, labels = loop.scores(model, data), data.labels.numpy()
    return {
        "n": len(pairs),
        "recall_at_p90": figures.recall_at(labels, found, 0.90),
        "recall_at_p95": figures.recall_at(labels, found, 0.95),
        "average_precision": figures.average_precision(labels, found),
        "auc": figures.area_under_roc(labels, found) or 0.0,
        "accuracy": float(((found > 0) == (labels > 0.5)).mean()),
    }
