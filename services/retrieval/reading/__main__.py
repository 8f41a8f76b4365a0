"""The reading server: forks one bounded child for each file, and survives all of them.

`sandbox.py` starts it and talks to it over stdin and stdout. It is a process without threads, so
that forking is safe, and with the parsers already imported, so that a fork takes milliseconds.
A request is a line of JSON with the body's length, then the body; a response likewise.
"""

import gc
import json
import os
import resource
import select
import signal
import sys
import time
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from services.retrieval.reading import docx, html, pdf, table
from services.retrieval.reading.document import Source, read_document, to_json
from services.retrieval.reading.limits import MAX_ANSWER_BYTES, Limits, Rejected
from shared.embeddings import TokenCounter, open_token_counter

_PARSERS = (docx, html, pdf, table)  # imported before any fork
_READ_BYTES = 1 << 20
_RECURSION = 10_000  # MAX_NESTING levels of HTML take a few frames each
_OPEN_FILES = 64
_LAST_WORDS_BYTES = 4096
# What native code says before it aborts: Rust's allocator, C++'s, C's.
_OUT_OF_MEMORY = (b"memory allocation of", b"bad_alloc", b"out of memory", b"MemoryError")


def main() -> None:
    """Serve until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.setrecursionlimit(_RECURSION)
    counter = open_token_counter(sys.argv[1])
    counter.count_tokens("warm")
    gc.freeze()  # a child must not copy every page just to look for garbage
    requests, responses = sys.stdin.buffer, sys.stdout.buffer
    while line := requests.readline():
        head = json.loads(line)
        content = requests.read(head["bytes"])
        answer = _in_child(content, Source(**head["source"]), counter, Limits(**head["limits"]))
        responses.write(f"{len(answer)}\n".encode())
        responses.write(answer)
        responses.flush()


def _in_child(content: bytes, source: Source, counter: TokenCounter, limits: Limits) -> bytes:
    (reading, writing), (complaints, complaining) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(complaining, 2)  # the server's log is not the file's business
        for pipe in (reading, complaints, complaining):
            os.close(pipe)
        _read_and_exit(content, source, counter, limits, writing)
    os.close(writing)
    os.close(complaining)
    end = _End()
    try:
        answer = _collected(reading, complaints, end, time.monotonic() + limits.wall_s)
    finally:
        os.close(reading)
        os.close(complaints)
        os.kill(child, signal.SIGKILL)  # a zombie does not mind
        _, end.status, used = os.wait4(child, 0)
        end.cpu_s = used.ru_utime + used.ru_stime
    if isinstance(answer, str):
        return _rejection(answer.format(limits=limits))
    return answer or _rejection(_cause(end, limits))


@dataclass
class _End:
    """How a child came to its end."""

    last_words: bytes = b""  # of what it wrote to stderr
    status: int = 0
    cpu_s: float = 0.0


def _collected(reading: int, complaints: int, end: _End, until_s: float) -> bytes | str:
    """The child's answer; a text says why there is none."""
    parts: list[bytes] = []
    size = 0
    open_pipes = [reading, complaints]
    while open_pipes:
        left_s = until_s - time.monotonic()
        ready = select.select(open_pipes, [], [], left_s)[0] if left_s > 0 else []
        if not ready:
            return "reading it takes longer than {limits.wall_s:.0f} s"
        for pipe in ready:
            part = os.read(pipe, _READ_BYTES)
            if not part:
                open_pipes.remove(pipe)
            elif pipe == complaints:
                end.last_words = (end.last_words + part)[-_LAST_WORDS_BYTES:]
            else:
                parts.append(part)
                size += len(part)
        if size > MAX_ANSWER_BYTES:
            return f"its text takes more than {MAX_ANSWER_BYTES >> 20} MB: split it"
    return b"".join(parts)


def _cause(end: _End, limits: Limits) -> str:
    """Why a child ended without an answer: time, memory, or a parser that broke."""
    number = os.WTERMSIG(end.status) if os.WIFSIGNALED(end.status) else 0
    if number == signal.SIGXCPU or end.cpu_s >= limits.cpu_s:
        return f"reading it takes more than {limits.cpu_s} s of computing"
    if any(words in end.last_words for words in _OUT_OF_MEMORY):
        return _too_much_memory(limits)
    if number == signal.SIGKILL:  # not by us: we only kill who has answered or is late
        return "the system stopped reading it, probably for want of memory"
    if number:
        return f"it broke the parser ({signal.Signals(number).name})"
    return "the parser ended without a word"


def _too_much_memory(limits: Limits) -> str:
    return f"reading it takes more than {limits.memory_bytes >> 20} MB of memory"


def _read_and_exit(
    content: bytes, source: Source, counter: TokenCounter, limits: Limits, writing: int
) -> NoReturn:
    """In the child: bounds first, then the file. Never returns."""
    try:
        _bound(limits)
        answer = json.dumps(_read(content, source, counter, limits)).encode()
        with open(writing, "wb") as pipe:
            pipe.write(answer)
    finally:
        os._exit(0)


def _read(content: bytes, source: Source, counter: TokenCounter, limits: Limits) -> dict[str, Any]:
    try:
        return {"document": to_json(read_document(content, source, counter))}
    except Rejected as error:
        return {"rejection": str(error)}
    except MemoryError:
        return {"rejection": _too_much_memory(limits)}
    except RecursionError:
        return {"rejection": "it is nested too deep"}
    except Exception as error:  # parsers of other people raise whatever they like
        return {"rejection": f"damaged: {type(error).__name__}: {str(error)[:200]}".rstrip(": ")}


def _rejection(reason: str) -> bytes:
    return json.dumps({"rejection": reason}).encode()


def _bound(limits: Limits) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # the server's own pipes are not the file's business
        os.dup2(null, stream)
    memory = _data_bytes() + limits.memory_bytes
    for kind, bound in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (bound, bound + 1 if kind == resource.RLIMIT_CPU else bound))


def _data_bytes() -> int:
    with open("/proc/self/status", "rb") as status:
        return _kilobytes(status, b"VmData:") * 1024


def _kilobytes(status: BinaryIO, name: bytes) -> int:
    return next((int(line.split()[1]) for line in status if line.startswith(name)), 0)


if __name__ == "__main__":
    main()
