"""Reads untrusted files in a process that may be killed, and comes back in bounded time."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from services.retrieval.reading.document import ReadDocument, Source, from_json
from services.retrieval.reading.limits import MAX_ANSWER_BYTES, Limits, Rejected

_ROOT = Path(__file__).resolve().parents[3]
_START_S = 30.0  # imports on a busy machine
_GRACE_S = 5.0  # the server's own clock ends a child first
_READ_BYTES = 1 << 20
_PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV")


class Reader(Protocol):
    """Reads one file. Raises Rejected with a reason for its author."""

    def read(self, content: bytes, source: Source) -> ReadDocument: ...

    def close(self) -> None: ...


class SandboxReader:
    """Hands files to a server process that forks for each; starts it when needed. Thread-safe.

    Close it, or use it in a `with`: the server lives until then.
    """

    def __init__(self, embedder_url: str, limits: Limits | None = None) -> None:
        self._embedder_url = embedder_url
        self._limits = limits or Limits()
        self._server: subprocess.Popen[bytes] | None = None
        self._one_at_a_time = threading.Lock()
        self._closed = False

    def read(self, content: bytes, source: Source) -> ReadDocument:
        """The document, cut into pieces. Raises Rejected."""
        with self._one_at_a_time:
            if self._closed:
                raise RuntimeError("this reader is closed")
            answer = self._ask(content, source)
        if "rejection" in answer:
            raise Rejected(str(answer["rejection"]))
        return from_json(answer["document"])

    def _ask(self, content: bytes, source: Source) -> dict[str, Any]:
        head = {"bytes": len(content), "source": asdict(source), "limits": asdict(self._limits)}
        until_s = time.monotonic() + _START_S + self._limits.wall_s + _GRACE_S
        try:
            server = self._running()
            assert server.stdin is not None
            server.stdin.write(json.dumps(head).encode() + b"\n" + content)
            server.stdin.flush()
            found: dict[str, Any] = json.loads(self._answer(server, until_s))
            return found
        except (OSError, ValueError, TimeoutError) as error:
            self._kill()
            raise Rejected(f"the reading process failed ({type(error).__name__})") from None

    def _answer(self, server: subprocess.Popen[bytes], until_s: float) -> bytes:
        assert server.stdout is not None
        received = b""
        while b"\n" not in received:
            received += _some(server.stdout.fileno(), until_s)
        size, _, first = received.partition(b"\n")
        if int(size) > MAX_ANSWER_BYTES + _READ_BYTES:
            raise ValueError("the answer is too large")
        parts, missing = [first], int(size) - len(first)
        while missing > 0:
            parts.append(_some(server.stdout.fileno(), until_s))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._server is None or self._server.poll() is not None:
            self._kill()
            self._server = subprocess.Popen(
                [sys.executable, "-m", "services.retrieval.reading", self._embedder_url],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # so that server and child can be killed as one
            )
        return self._server

    def _kill(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        _kill_group(server)
        server.wait()
        for stream in (server.stdin, server.stdout):
            if stream is not None:
                stream.close()

    def close(self) -> None:
        """End the server, whatever it is at: a file it reads now is rejected, later ones raise."""
        self._closed = True
        if (server := self._server) is not None:
            _kill_group(server)  # whoever waits for its answer wakes up and lets the lock go
        with self._one_at_a_time:
            self._kill()

    def __enter__(self) -> "SandboxReader":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _kill_group(server: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)


def _some(descriptor: int, until_s: float) -> bytes:
    left_s = until_s - time.monotonic()
    if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
        raise TimeoutError
    part = os.read(descriptor, _READ_BYTES)
    if not part:
        raise ValueError("the reading process ended")
    return part


def _environment() -> dict[str, str]:
    """What the server needs, and no secret."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    paths = [str(_ROOT), *filter(None, [kept.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(paths),
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_NUM_THREADS": "1",
    }
