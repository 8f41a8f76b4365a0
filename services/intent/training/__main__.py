"""`python -m services.intent.training --data FILE [--data …] --out DIR`: trains an intent model."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m services.intent.training")
    parser.add_argument("--data", type=Path, action="append", required=True, help=".csv or .jsonl")
    parser.add_argument("--dev", type=Path, help="rows for calibration; else a share of --data")
    parser.add_argument("--test", type=Path, help="rows that are only measured")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")
    parser.add_argument("--resume", action="store_true", help="go on from DIR/checkpoint.pt")
    parser.add_argument("--checkpoint", default="minilm", help="a DistilBERT by path or name")
    parser.add_argument("--lora", action="store_true", help="train adapters, merged at the end")
    parser.add_argument("--epochs", type=int, default=None)
    return parser.parse_args()


def main() -> None:
    """Trains and prints the metrics as JSON."""
    arguments = _arguments()
    try:
        from services.intent.training.loop import Recipe
        from services.intent.training.recipe import Source, train
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: training needs requirements/train.txt, installed in .venv-train")
    recipe = Recipe() if arguments.epochs is None else replace(Recipe(), epochs=arguments.epochs)
    found = train(
        Source(arguments.data, arguments.dev, arguments.test),
        arguments.out,
        recipe,
        checkpoint=arguments.checkpoint,
        lora=arguments.lora,
        resume=arguments.resume,
    )
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
