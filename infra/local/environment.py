"""Makes `.venv` hold exactly one hash-pinned list. Standard library only: it runs before all else.

    python3 infra/local/environment.py local|test|train|llm|bench

`test` is a superset of `local`, so a machine that has `test` keeps it when `local` is asked for;
the others live in folders of their own (`.venv-train`, `.venv-llm`, `.venv-bench`).
A stamp inside `.venv` says what was installed; a second run reads it and does nothing.
"""

import hashlib
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LISTS = {"local": ("local", "test"), **{n: (n,) for n in ("test", "train", "llm", "bench")}}
OLDEST_PYTHON = (3, 11)

_COMMAND = """#!/bin/sh
# The `switchboard` command, from wherever it is called.
here=$(cd "$(dirname "$0")" && pwd)
PYTHONPATH="$here/../..${PYTHONPATH:+:$PYTHONPATH}" exec "$here/python" -m services.cli "$@"
"""


def digest(root: Path, name: str) -> str:
    """What identifies the content of one list of requirements."""
    return hashlib.sha256((root / "requirements" / f"{name}.txt").read_bytes()).hexdigest()


def satisfied(root: Path, folder: Path, wanted: str) -> bool:
    """Whether `folder` already holds `wanted` or a list that includes it, unchanged since."""
    try:
        stamp = json.loads((folder / "installed.json").read_text())
        return stamp["list"] in LISTS[wanted] and stamp["sha256"] == digest(root, stamp["list"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def installer_environment(given: dict[str, str]) -> dict[str, str]:
    """uv does not read pip's settings; carry over the ones that say where packages come from."""
    carried = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_EXTRA_INDEX_URL": "UV_INDEX",
        "PIP_CERT": "SSL_CERT_FILE",
    }
    result = dict(given)
    for pip_name, uv_name in carried.items():
        if given.get(pip_name) and not given.get(uv_name):
            result[uv_name] = given[pip_name]
    return result


def _index_of_pip(python: Path) -> str:
    asked = subprocess.run(
        [python, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() if asked.returncode == 0 else ""


def _run(command: list[str | Path], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"installing failed (exit {done.returncode}): {' '.join(map(str, command))}")


def _bootstrap(folder: Path) -> Path:
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"python environment: {folder.name}", flush=True)
        venv.create(folder, with_pip=True)
    if not (folder / "bin" / "uv").exists():
        pins = ROOT / "requirements" / "uv.txt"
        flags = ("--quiet", "--require-hashes", "-r")
        command: list[str | Path] = [python, "-m", "pip", "install", *flags, pins]
        _run(command, {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    return python


def install(wanted: str, folder: Path) -> None:
    """Bring `folder` to the wanted list."""
    python = _bootstrap(folder)
    environment = installer_environment(dict(os.environ))
    if index := _index_of_pip(python):
        environment.setdefault("UV_DEFAULT_INDEX", index)
    environment["VIRTUAL_ENV"] = str(folder)
    print(f"python packages: requirements/{wanted}.txt", flush=True)
    pins = ROOT / "requirements" / f"{wanted}.txt"
    sync: list[str | Path] = [folder / "bin" / "uv", "pip", "sync", "--quiet", "--require-hashes"]
    _run([*sync, "--compile-bytecode", pins], environment)
    command = folder / "bin" / "switchboard"
    command.write_text(_COMMAND)
    command.chmod(0o755)
    stamp = {"list": wanted, "sha256": digest(ROOT, wanted)}
    (folder / "installed.json").write_text(json.dumps(stamp) + "\n")


def main(arguments: list[str]) -> None:
    """Entry point."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    if len(arguments) != 1 or arguments[0] not in LISTS:
        sys.exit(f"usage: environment.py {'|'.join(LISTS)}")
    wanted = arguments[0]
    folder = ROOT / (".venv" if wanted in ("local", "test") else f".venv-{wanted}")
    if not satisfied(ROOT, folder, wanted):
        install(wanted, folder)


if __name__ == "__main__":
    main(sys.argv[1:])
