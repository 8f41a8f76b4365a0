"""Two runs of which the second began where the first ended, averaged weight by weight.

    python -m services.cache.training.average --first A/weights.pt --second B/weights.pt \
        --share 0.6 --calibrate B/held_random.jsonl --config B/config.json --out FOLDER

Source: Wortsman et al. 2022, "Model soups": averaged fine-tunings of one model generalise better.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from services.cache.pairs import read
from services.cache.training import export, ship
from services.cache.training.restore import model_of, read_state


def averaged(first: Path, second: Path, share: float) -> dict[str, Tensor]:
    """`share` of the second, the rest of the first; what is no number comes from the second."""
    one, two = read_state(first), read_state(second)
    return {
        name: torch.lerp(one[name], value, share) if value.is_floating_point() else value
        for name, value in two.items()
    }


def write(weights: dict[str, Tensor], pairs: Path, about: dict[str, Any], out: Path) -> None:
    """`model.onnx` and `config.json`, calibrated on `pairs`."""
    out.mkdir(parents=True, exist_ok=True)
    export.export(model_of(weights), out / "model.onnx")
    ship.calibrate(out, about, ship.Held.of("random", read(pairs), ship.open_default()))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("first", "second", "calibrate", "config", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--share", type=float, default=0.6)
    given = parser.parse_args()
    about = json.loads(given.config.read_text("utf-8"))
    about.pop("figures", None)  # of the second run alone
    about["averaged"] = {"second": given.share, "first": round(1 - given.share, 4)}
    weights = averaged(given.first, given.second, given.share)
    write(weights, given.calibrate, about, given.out)


if __name__ == "__main__":
    main()
