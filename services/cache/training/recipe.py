"""From labelled pairs to the weights of a pair classifier."""

import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import torch

from services.cache.pairs import Pair, read
from services.cache.training import (
    groups,
    heldout,
    loop,
    split,
    strangers,
    swaps,
)
from services.cache.training.heldout import HeldOut
from services.cache.training.loop import Encoded, Recipe
from services.cache.training.restore import fresh_model, model_of, read_state
from services.cache.training.ship import ship
from services.cache.training.split import Split

_LEAST_SHARE = 0.05  # a file smaller than this share of the largest is shown several times …
_MEASURED_PAIRS = 2000
_MOST_COPIES = 4  # … but no more often than this in an epoch


@dataclass(frozen=True)
class Sources:
    """The files a classifier is trained on."""

    pairs: Sequence[Path]
    swaps: Path | None = None  # for `swaps.read`
    groups: Sequence[Path] = ()  # for `groups.read`
    messages: Sequence[Path] = ()  # for `strangers.pairs`

    @property
    def files(self) -> list[Path]:
        return [*self.pairs, *self.groups, *self.messages]


def gather(sources: Sources, recipe: Recipe, held: HeldOut) -> Split:
    """The pairs of all files, some held out of each; small files count several times in `train`.

    A file of fewer than 2,000 pairs is too small to measure on: all of it is trained on. So is what
    groups and messages make. `held`: what the run that this one goes on from held out; a new draw
    from a file it has seen would measure on what the weights know.

    Raises:
        ValueError: nothing is left to measure on.
    """
    swapped = swaps.read(sources.swaps) if sources.swaps else []
    families = [family for path in sources.groups for family in groups.read(path)]
    files = [split.clean(read(path)) for path in sources.pairs]
    total = sum(map(len, files))
    train: list[Pair] = []
    apart: list[Pair] = []
    at_random: list[Pair] = []
    for rows in files:
        share = len(rows) / total
        part = _parted(rows, share, recipe, held)
        own = part.train + swaps.more(part.train, swapped, recipe.most_swaps, recipe.seed)
        own += split.closure(part.train, recipe.most_closed, recipe.seed)
        own = held.without(own)  # what follows from others may be held
        own = random.Random(recipe.seed).sample(own, min(len(own), recipe.most_pairs))
        train += own * max(1, min(_MOST_COPIES, round(_LEAST_SHARE / share)))
        apart, at_random = apart + part.apart, at_random + part.random
    grouped = groups.pairs(families, recipe.apart_per_same, recipe.seed)
    train += grouped * recipe.group_copies
    train += strangers.pairs(sources.messages, recipe.seed)
    if not (apart and at_random):
        names = ", ".join(path.name for path in sources.pairs)
        raise ValueError(
            f"{names}: nothing to calibrate and measure on; at least one file must have"
            f" {_MEASURED_PAIRS:,} pairs or be one that the start was trained on"
        )
    return Split(train, apart, at_random)


def _parted(rows: list[Pair], share: float, recipe: Recipe, held: HeldOut) -> Split:
    """One file's pairs, as the earlier run parted them; `share`: of all files' pairs."""
    apart, at_random = held.among(rows)
    if at_random:
        return Split(held.without(rows), apart, at_random)
    most = len(rows) // 10 if len(rows) >= _MEASURED_PAIRS else 0
    counts = (min(most, int(share * count)) for count in (recipe.held_apart, recipe.held_random))
    return split.split(rows, *counts, recipe.seed)


def train(
    sources: Sources,
    out: Path,
    recipe: Recipe,
    *,
    start: Path | None = None,
    resume: bool = False,
    minutes: float | None = None,
) -> bool:
    """Writes the model folder, its weights and the held-out pairs; False: time was up, resume.

    `start`: the `weights.pt` or `model.onnx` to go on from, not MiniLM's; what is held out beside
    it stays held out.
    """
    until_s = time.monotonic() + 60 * (minutes or 1e9)
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    if not resume:
        (out / "checkpoint.pt").unlink(missing_ok=True)
    held = HeldOut.read(start.parent / heldout.FILE) if start else HeldOut()
    parts = gather(sources, recipe, held)
    split.write(out / "held_apart.jsonl", parts.apart)
    split.write(out / "held_random.jsonl", parts.random)
    (held | HeldOut.of(parts.apart, parts.random)).write(out / heldout.FILE)
    model = model_of(read_state(start)) if start else fresh_model()
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
    document = {
        "trained_on": {path.name: sha256(path.read_bytes()).hexdigest() for path in sources.files},
        "pairs": len(parts.train),
        "recipe": asdict(recipe),
    }
    ship(model, parts, out, document)
    return True
