"""`python -m services.cache.training --pairs FILE… --out DIR`: trains a pair classifier."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

UNFINISHED = 75  # exit status: time was up, go on with --resume


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.cache.training")
    parser.add_argument("--pairs", type=Path, nargs="+", required=True, help="JSONL files")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")
    parser.add_argument("--swaps", type=Path, help="groups of words to swap, one a line")
    parser.add_argument("--groups", type=Path, nargs="*", default=[], help="questions by answer")
    parser.add_argument("--messages", type=Path, nargs="*", default=[], help="labelled by intent")
    parser.add_argument("--start", type=Path, help="weights.pt or model.onnx to go on from")
    parser.add_argument("--resume", action="store_true", help="go on from DIR/checkpoint.pt")
    parser.add_argument("--minutes", type=float, help=f"stop then, with exit status {UNFINISHED}")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--most-pairs", type=int, help="of one file")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--rate", type=float, help="highest learning rate of the encoder")
    return parser.parse_args()


def main() -> None:
    """Trains and prints the report."""
    given = _arguments()
    try:
        from services.cache.training.loop import Recipe
        from services.cache.training.recipe import Sources, train
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: training needs requirements/train.txt, installed in .venv-train")
    knobs = {
        "epochs": given.epochs,
        "encoder_rate": given.rate,
        "most_pairs": given.most_pairs,
        "threads": given.threads,
    }
    chosen = {name: value for name, value in knobs.items() if value is not None}
    recipe = replace(Recipe(), **chosen)
    try:
        done = train(
            Sources(given.pairs, given.swaps, given.groups, given.messages),
            given.out,
            recipe,
            start=given.start,
            resume=given.resume,
            minutes=given.minutes,
        )
    except (ValueError, OSError) as error:
        sys.exit(str(error))
    if not done:
        sys.exit(UNFINISHED)
    sys.stdout.write((given.out / "report.md").read_text("utf-8"))


if __name__ == "__main__":
    main()
