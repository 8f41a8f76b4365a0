"""How good the classifier is on a labelled file: the shipped model, or the recipe trained anew.

Rows are JSONL with `text` and `intent`; `oos`, or one of the sample shop's `oos_…`, marks a
message that is out of scope.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from services.intent.classifier import OnnxClassifier, Scores
from shared.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
SHIPPED = Path(__file__).parent / "model"
_BINS = 15
_TIMED = 200  # messages timed one by one; more do not move the median

Report = dict[str, float | int | None]


def evaluate(data: Path, train: Sequence[Path] = (), model: Path = SHIPPED) -> Report:
    """`n`, `accuracy`, `oos_recall`, `in_scope_refused`, `ece` (shares, 0–1) and `p50_ms`.

    Accuracy and calibration are those of the fine intent over in-scope rows, refused or not, so
    that refusing is counted once. Null: the file has no rows for that figure.

    Raises:
        ConfigurationError: a file or the model cannot be read, or training fails.
    """
    rows = _rows(data)
    if not train:
        return _measured(OnnxClassifier(model), rows)
    with tempfile.TemporaryDirectory() as folder:
        _train(train, Path(folder))
        return _measured(OnnxClassifier(Path(folder)), rows)


def is_out_of_scope(intent: str) -> bool:
    """`oos` as public data sets write it, or one of the sample shop's `oos_…` intents."""
    return intent == "oos" or intent.startswith("oos_")


def expected_calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float:
    """Mean gap between confidence and accuracy over 15 equal bins. Source: Guo et al. 2017."""
    sure, hit = np.asarray(confidence), np.asarray(right)
    index = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    filled = [index == b for b in range(_BINS) if (index == b).any()]
    return float(sum(f.mean() * abs(sure[f].mean() - hit[f].mean()) for f in filled))


def _rows(path: Path) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    number = 0
    try:
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):  # noqa: B007
            if line.strip():
                row = json.loads(line)
                found.append((str(row["text"]), str(row["intent"])))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path}:{number}: needs `text` and `intent` ({error!r})"
        ) from None
    if not found:
        raise ConfigurationError(f"{path}: no rows")
    return found


def training_python(root: Path) -> Path:
    """An interpreter that has torch: this one, or that of `.venv-train` in the checkout `root`.

    The environment is made, or brought up to date, when it is needed; a second call finds it.

    Raises:
        ConfigurationError: it cannot be made, or `root` is no checkout.
    """
    if importlib.util.find_spec("torch") is not None:
        return Path(sys.executable)
    installer = root / "infra" / "local" / "environment.py"
    python = root / ".venv-train" / "bin" / "python"
    if not installer.is_file():
        raise ConfigurationError(
            f"--train needs torch, which the product does without, and {root} is no checkout that "
            "could make .venv-train: install requirements/train.txt and run this with its python"
        )
    if not python.exists():
        sys.stderr.write("training needs torch: making .venv-train (5 GB, once)\n")
    done = subprocess.run([sys.executable, str(installer), "train"], stdout=sys.stderr, check=False)
    if done.returncode or not python.exists():
        raise ConfigurationError(
            f".venv-train could not be made (exit code {done.returncode}, see above); "
            "`make train-intent DATA=…` makes it too"
        )
    return python


def _train(files: Sequence[Path], out: Path) -> None:
    """The recipe as `make train-intent` runs it; progress goes to standard error."""
    python = training_python(ROOT)
    data = [part for path in files for part in ("--data", str(path.resolve()))]
    command = [str(python), "-m", "services.intent.training", *data, "--out", str(out)]
    sys.stderr.write(f"training on {', '.join(path.name for path in files)} with {python}\n")
    # stdout stays clean: with --json it is read by programs.
    done = subprocess.run(command, stdout=sys.stderr, cwd=ROOT, check=False)
    if done.returncode:
        raise ConfigurationError(f"training failed with exit code {done.returncode}; see above")


def _measured(classifier: OnnxClassifier, rows: Sequence[tuple[str, str]]) -> Report:
    scores = classifier.classify([text for text, _ in rows])
    outside = [s.out_of_scope for (_, intent), s in _pairs(rows, scores) if is_out_of_scope(intent)]
    inside = [(i, s) for (_, i), s in _pairs(rows, scores) if not is_out_of_scope(i)]
    right = [intent == s.intent for intent, s in inside]
    refused = [s.out_of_scope for _, s in inside]
    sure = [s.intent_confidence for _, s in inside]
    return {
        "n": len(rows),
        "accuracy": _share(right),
        "oos_recall": _share(outside),
        "in_scope_refused": _share(refused),
        "ece": expected_calibration_error(sure, right) if inside else None,
        "p50_ms": _median_ms(classifier, [text for text, _ in rows[:_TIMED]]),
    }


def _pairs(
    rows: Sequence[tuple[str, str]], scores: Sequence[Scores]
) -> list[tuple[tuple[str, str], Scores]]:
    return list(zip(rows, scores, strict=True))


def _share(flags: Sequence[bool]) -> float | None:
    return sum(flags) / len(flags) if flags else None


def _median_ms(classifier: OnnxClassifier, texts: Sequence[str]) -> float:
    """Milliseconds for one message at a time, warmed up."""
    classifier.classify(texts[:1])
    taken = []
    for text in texts:
        started = time.perf_counter()
        classifier.classify([text])
        taken.append((time.perf_counter() - started) * 1000)
    return float(np.median(taken))
