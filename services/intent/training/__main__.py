"""`python -m services.intent.training --data FILE [--data …] --out DIR`: trains an intent model."""

import argparse
import json
import os
import sys
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
    parser.add_argument("--epochs", type=int, help="by default from the number of rows")
    parser.add_argument("--checkpoint-steps", type=int, default=200, help="steps between them")
    return parser.parse_args()


def main() -> None:
    """Trains and prints the metrics as JSON."""
    arguments = _arguments()
    # Threads that spin while they wait for one another are worth less than one thread as soon as
    # somebody else computes, too. Read by OpenMP when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        from services.intent.training.loop import Recipe
        from services.intent.training.recipe import Source, train
    except ModuleNotFoundError as error:
        sys.exit(f"{error}: training needs requirements/train.txt, installed in .venv-train")
    try:
        found = train(
            Source(arguments.data, arguments.dev, arguments.test),
            arguments.out,
            Recipe(epochs=arguments.epochs, checkpoint_steps=arguments.checkpoint_steps),
            checkpoint=arguments.checkpoint,
            lora=arguments.lora,
            resume=arguments.resume,
        )
    except (ValueError, OSError) as error:  # what is wrong with the data, in words
        sys.exit(f"services.intent.training: {error}")
    sys.stderr.write(f"written to {arguments.out}: model, labels.json, report.md\n")
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
