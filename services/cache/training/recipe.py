"""From labelled pairs to the weights of a pair classifier."""

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModel

from services.cache.pairs import Pair, read
from services.cache.training import groups, loop, split, strangers, swaps
from services.cache.training.loop import Encoded, Recipe
from services.cache.training.model import PairModel
from services.cache.training.ship import ship
from services.cache.training.split import Split
from shared.training import encoder

_LEAST_SHARE = 0.05  # a file smaller than this share of the largest is shown several times …
_MEASURED_PAIRS = 2000
_MOST_COPIES = 4  # … but no more often than this in an epoch


def gather(
    paths: Sequence[Path],
    swapped: Sequence[swaps.Group],
    recipe: Recipe,
    families: Sequence[groups.Family] = (),
    held: Split | None = None,
) -> Split:
    """The pairs of all files, some held out of each; small files count several times in `train`.

    A file of fewer than 2,000 pairs is too small to measure on: all of it is trained on. So is what
    `families` make. `held`: what the run that this one goes on from held out, and nothing else; a
    new draw would measure on what the weights have seen.
    """
    files = [split.clean(read(path)) for path in paths]
    total = sum(map(len, files))
    train: list[Pair] = []
    apart: list[Pair] = []
    at_random: list[Pair] = []
    for rows in files:
        share = len(rows) / total
        pairs = split.without(rows, held) if held else rows
        most = len(pairs) // 10 if len(pairs) >= _MEASURED_PAIRS and not held else 0
        apart_count, random_count = (
            min(most, int(share * count)) for count in (recipe.held_apart, recipe.held_random)
        )
        part = split.split(pairs, apart_count, random_count, recipe.seed)
        own = part.train + swaps.more(part.train, swapped, recipe.most_swaps, recipe.seed)
        own += split.closure(part.train, recipe.most_closed, recipe.seed)
        own = split.without(own, held) if held else own  # what follows from others may be held
        own = random.Random(recipe.seed).sample(own, min(len(own), recipe.most_pairs))
        train += own * max(1, min(_MOST_COPIES, round(_LEAST_SHARE / share)))
        apart, at_random = apart + part.apart, at_random + part.random
    grouped = groups.pairs(families, recipe.apart_per_same, recipe.seed)
    train += grouped * recipe.group_copies
    return replace(held, train=train) if held else Split(train, apart, at_random)


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
    swap_groups: Path | None = None,
    question_groups: Sequence[Path] = (),
    messages: Sequence[Path] = (),
    start: Path | None = None,
    resume: bool = False,
    minutes: float | None = None,
) -> bool:
    """Writes the model folder, its weights and the held-out pairs; False: time was up, resume.

    `swap_groups`: a file for `swaps.read`. `question_groups`: files for `groups.read`. `messages`:
    files for `strangers.pairs`. `start`: the `weights.pt` of an earlier run to go on from, not
    MiniLM's; what that run held out beside it stays held out.
    """
    until_s = time.monotonic() + 60 * (minutes or 1e9)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / "checkpoint.pt").unlink(missing_ok=True)
    swapped = swaps.read(swap_groups) if swap_groups else []
    families = [family for path in question_groups for family in groups.read(path)]
    held = split.read_held(start.parent) if start is not None else None
    parts = gather(paths, swapped, recipe, families, held)
    parts.train.extend(strangers.pairs(messages, recipe.seed))
    split.write(out / "held_apart.jsonl", parts.apart)
    split.write(out / "held_random.jsonl", parts.random)
    model = fresh_model()
    if start is not None:
        model.load_state_dict(torch.load(start, weights_only=True))
    data = Encoded(parts.train)
    done = loop.optimise(
        model,
        data,
        recipe,
        out / "checkpoint.pt",
        is_trained=start is not None,
        until_s=until_s,
    )
    if not done:
        return False
    torch.save(model.state_dict(), out / "weights.pt")
    ship(model, parts, out, _document([*paths, *question_groups, *messages], recipe, parts))
    return True


def _document(paths: Sequence[Path], recipe: Recipe, parts: Split) -> dict[str, Any]:
    """What the model was made from."""
    return {
        "trained_on": {path.name: sha256(path.read_bytes()).hexdigest() for path in paths},
        "pairs": len(parts.train),
        "recipe": asdict(recipe),
    }
