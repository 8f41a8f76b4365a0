"""`switchboard ask`: one question over HTTP, its answer as it is being written."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import httpx
import typer

from services import cli_common as common
from shared.errors import Unavailable

SILENCE_S = 60.0  # the gateway pings every 15 s; longer silence means that nobody is there

Frame = dict[str, Any]
Question = Annotated[str, typer.Argument(help="what to ask")]
Conversation = Annotated[str, typer.Option("--conversation", help="go on with this one")]


def ask(
    question: Question,
    url: common.Url = common.GATEWAY,
    key: common.Key = "",
    conversation: Conversation = "",
    as_json: common.AsJson = False,
) -> None:
    """Ask one question; prints the answer and its sources."""
    body = {"message": question} | ({"conversation_id": conversation} if conversation else {})
    shown = Shown(silent=as_json)
    with common.client(url, common.key_of("widget", key), SILENCE_S) as http:
        answer = asked(http, body, shown)
    if as_json:
        common.say(json.dumps(answer, ensure_ascii=False))
        return
    shown.finish(answer)
    for line in source_lines(answer):
        common.say(line)
    common.notes().print(
        f"\n{summary(answer)}\ngo on with: --conversation {answer.get('conversation_id', '')}",
        style="dim", markup=False, soft_wrap=True,
    )  # fmt: skip


def asked(http: httpx.Client, body: Frame, shown: "Shown") -> Frame:
    """Send a question and follow its event stream up to the answer. Raises Unavailable."""
    headers = {"Accept": "text/event-stream"}
    try:
        with http.stream("POST", "/v1/chat", json=body, headers=headers) as response:
            for frame in events(common.checked(response).iter_lines()):
                if frame.get("type") == "answer":
                    return frame
                shown.see(frame)
    except httpx.HTTPError as error:
        raise common.unreachable(http.base_url, error) from None
    raise Unavailable("the gateway closed the stream before the answer came")


def events(lines: Iterable[str]) -> Iterator[Frame]:
    """Frames of an event stream. Source: WHATWG HTML, section 9.2.6."""
    kind, data = "", list[str]()
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
            continue
        if data:
            yield _frame(kind, "\n".join(data))
        kind, data = "", []


def _frame(kind: str, data: str) -> Frame:
    try:
        frame = json.loads(data)
    except ValueError:
        frame = None
    if not isinstance(frame, dict):
        raise Unavailable("what answers there is not Switchboard: its events hold no JSON objects")
    return {"type": kind, **frame}


@dataclass
class Shown:
    """What the terminal has seen of an answer so far."""

    silent: bool = False
    parts: list[str] = field(default_factory=list)

    def see(self, frame: Frame) -> None:
        """Print a sentence as soon as it is there."""
        if frame.get("type") == "escalated" and "queue_position" in frame and not self.silent:
            place = frame["queue_position"]
            common.notes().print(f"a person will take this; place in the queue: {place}")
        if frame.get("type") != "delta":
            return
        text = str(frame.get("text", ""))
        glue = " " if self.parts and not self.parts[-1][-1:].isspace() else ""
        self.parts.append(text)
        if not self.silent:
            sys.stdout.write(glue + common.plain(text))
            sys.stdout.flush()

    def finish(self, answer: Frame) -> None:
        """Print the final answer, unless it is what was shown already."""
        final = str(answer.get("answer", ""))
        if self.parts:
            sys.stdout.write("\n")
        if "".join("".join(self.parts).split()) != "".join(final.split()):
            common.say(final)


def source_lines(answer: Mapping[str, Any]) -> list[str]:
    """The sources under an answer, numbered as the answer cites them."""
    citations = answer.get("citations") or []
    lines = [
        f"  [{number}] {citation.get('title', '')}"
        + (f" · {citation['source']}" if citation.get("source") else "")
        for number, citation in enumerate(citations, 1)
    ]
    return ["", "Sources", *lines] if lines else []


def summary(answer: Mapping[str, Any]) -> str:
    """Where an answer came from and how long each step took, in one line."""
    cache = answer.get("cache") or {}
    similarity = cache.get("similarity")
    origin = str(answer.get("origin", ""))
    if cache.get("hit") and similarity is not None:
        origin += f" ({similarity:.2f} alike)"
    facts = [origin, str(answer.get("tier", "")), str(answer.get("intent") or "")]
    if answer.get("mode", "full") != "full":
        facts.append(f"mode {answer['mode']}")
    timings = answer.get("timings_ms") or {}
    steps = ", ".join(f"{name} {ms:.0f}" for name, ms in timings.items())
    return " · ".join(fact for fact in facts if fact) + (f" · ms: {steps}" if steps else "")
