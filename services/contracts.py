"""Draws what the handlers' signatures say: `docs/flow.md` and `docs/asyncapi.yaml`.

`python -m services.contracts` writes both (`make docs`); a test fails when they are stale.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from shared.events import ALL_EVENTS, Event
from shared.service import NAMES, Contract, contract_of

DOCS = Path("docs")
# What HTTP lets in is published by api.py, which has no handler signature to read.
DOOR: dict[str, tuple[str, ...]] = {
    "gateway": (
        "Received",
        "TurnStopped",
        "FeedbackGiven",
        "DocumentSubmitted",
        "ConversationErased",
    ),
    "cache": ("AnswerDisputed", "WarmUpRequested"),
    "escalation": ("OwnerChanged", "AgentReplied", "AnswerDisputed"),
    "retrieval": ("DocumentPrepared",),  # from its Celery job
}
EVERYBODY = ("HealthReported", "Shadowed")  # published by every runner, by every publisher


@dataclass(frozen=True)
class Read:
    """One handler, its service and how it reads: shared, broadcast or replayed."""

    service: str
    contract: Contract
    how: str


def read_all() -> list[Read]:
    """Every handler of every service, in the order a turn meets them."""
    found = []
    for name in NAMES:
        module = import_module(f"services.{name}.handlers")
        for how in ("HANDLERS", "BROADCAST", "REPLAYED"):
            for function in getattr(module, how):
                found.append(Read(name, contract_of(function), how.lower()))
    return found


def _first_sentence(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


def _producers(event: type[Event], reads: Iterable[Read]) -> list[str]:
    made = [r.service for r in reads if event in r.contract.produces]
    made += [name for name, events in DOOR.items() if event.__name__ in events]
    return list(dict.fromkeys(made))


def flow_markdown(reads: list[Read]) -> str:
    """The picture and the tables of `docs/flow.md`."""
    lines = [
        "# The flow, read from handler signatures",
        "",
        "Made by `make docs` from `services/*/handlers.py` and `shared/events.py`; not edited.",
        "",
        "```mermaid",
        "flowchart TD",
        *_edges(reads),
        "```",
        "",
        "## Handlers",
        "",
        "| service | handler | consumes | produces | reads | what it does |",
        "|---|---|---|---|---|---|",
    ]
    for read in reads:
        contract = read.contract
        produced = ", ".join(event.__name__ for event in contract.produces) or "–"
        lines.append(
            f"| {read.service} | `{contract.name}` | {contract.consumes.__name__} | {produced}"
            f"{' (stream)' if contract.streams else ''} | {_HOW[read.how]} "
            f"| {_first_sentence(contract.function.__doc__)} |"
        )
    lines += ["", "## Topics", "", "| event | topic | made by | read by | kept | what it says |"]
    lines.append("|---|---|---|---|---|---|")
    for event in ALL_EVENTS:
        readers = list(dict.fromkeys(r.service for r in reads if r.contract.consumes is event))
        kept = "newest per key" if event.compacted else f"{event.retention_hours} h"
        makers = ["every service"] if event.__name__ in EVERYBODY else _producers(event, reads)
        made = ", ".join(makers)
        read_by = ", ".join(readers) or "every process"
        lines.append(
            f"| {event.__name__} | `{event.topic}` | {made} | {read_by} | {kept} "
            f"| {_first_sentence(event.__doc__)} |"
        )
    return "\n".join(lines) + "\n"


_HOW = {
    "handlers": "once per group",
    "broadcast": "every process, from now",
    "replayed": "every process, from the start",
}


def _edges(reads: list[Read]) -> list[str]:
    edges: dict[tuple[str, str], list[str]] = {}
    for event in ALL_EVENTS:
        if event.__name__ in EVERYBODY:
            continue
        for producer in _producers(event, reads):
            for read in reads:
                if read.contract.consumes is event:
                    names = edges.setdefault((producer, read.service), [])
                    if event.__name__ not in names:
                        names.append(event.__name__)
    return [
        f"    {source} -- {'<br/>'.join(names)} --> {target}"
        for (source, target), names in edges.items()
    ]


def asyncapi(reads: list[Read]) -> dict[str, Any]:
    """The AsyncAPI 3.0 document: one channel per topic, one operation per handler."""
    channels, messages, operations = {}, {}, {}
    for event in ALL_EVENTS:
        name = event.__name__
        messages[name] = {
            "name": name,
            "summary": _first_sentence(event.__doc__),
            "contentType": "application/json",
            "payload": event.model_json_schema(
                ref_template=f"#/components/messages/{name}/payload/$defs/{{model}}"
            ),
        }
        channels[name] = {
            "address": event.topic,
            "messages": {name: {"$ref": f"#/components/messages/{name}"}},
            "bindings": {"kafka": {"topic": event.topic, "partitions": event.partitions}},
        }
    for read in reads:
        operations[f"{read.service}.{read.contract.name}"] = {
            "action": "receive",
            "channel": {"$ref": f"#/channels/{read.contract.consumes.__name__}"},
            "summary": _first_sentence(read.contract.function.__doc__),
            "tags": [{"name": read.service}],
        }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Switchboard",
            "version": "1.0.0",
            "description": "Generated by `make docs` from handler signatures. Do not edit.",
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages},
    }


def render() -> dict[Path, str]:
    """Every generated document by its path."""
    reads = read_all()
    document = yaml.safe_dump(asyncapi(reads), sort_keys=False, allow_unicode=True, width=100)
    return {DOCS / "flow.md": flow_markdown(reads), DOCS / "asyncapi.yaml": document}


if __name__ == "__main__":
    for path, content in render().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        print(f"wrote {path}")
