"""`switchboard dlq`: messages that no retry could help; look at them, and replay them."""

import asyncio
import json
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from services import cli_common as common
from services.cli_letters import Letter, gathered, office_of, replay_all
from shared.codec import EVENT_BY_TOPIC
from shared.errors import InvalidEvent
from shared.events import dead_letter_topic

app = typer.Typer(cls=common.Group, no_args_is_help=True, help="Dead letters.")
MaybeNames = Annotated[list[str] | None, typer.Argument(help="letters, or use --all")]
Name = Annotated[str, typer.Argument(help="a letter as `dlq list` names it")]
Topic = Annotated[str, typer.Option("--topic", help="only letters of this topic")]
Everything = Annotated[bool, typer.Option("--all", help="every letter not replayed yet")]
Reveal = Annotated[bool, typer.Option("--reveal", help="decrypt what a customer typed")]
Limit = Annotated[int, typer.Option("--limit", min=1, help="at most so many, oldest first")]


@app.command("list")
def list_letters(context: typer.Context, topic: Topic = "", as_json: common.AsJson = False) -> None:
    """What failed, where and why."""
    office = office_of(context)
    replayed = office.replayed()
    found = asyncio.run(gathered(office, _topics(topic), ()))
    rows = [letter.facts(replayed) for letter in found]
    if as_json:
        common.say(json.dumps(rows, ensure_ascii=False))
        return
    table = Table("letter", "when", "handler", "reason", "")
    for row in rows:
        notes = [name for name in ("encrypted", "replayed") if row[name]]
        cells = (row["letter"], row["when"], row["handler"], row["reason"], ", ".join(notes))
        table.add_row(*(common.plain(cell) for cell in cells))
    if rows:
        Console(highlight=False, markup=False).print(table)
    common.say(f"{len(rows)} dead letters, {sum(row['replayed'] for row in rows)} replayed")


@app.command()
def show(
    context: typer.Context, name: Name, reveal: Reveal = False, as_json: common.AsJson = False
) -> None:
    """One letter with its headers and content; what a customer typed only with --reveal."""
    office = office_of(context)
    found = asyncio.run(gathered(office, _topics_of([name]), [name]))
    _require([name], found)
    letter = found[0]
    facts = letter.facts(office.replayed())
    facts |= {"key": letter.message.key, "headers": dict(letter.message.headers)}
    if reveal or not letter.encrypted:
        facts["value"] = letter.original(office.cipher).value.decode(errors="replace")
    if as_json:
        common.say(json.dumps(facts, ensure_ascii=False))
        return
    value = facts.pop("value", "encrypted; show it with --reveal")
    headers = facts.pop("headers")
    for label, fact in [*facts.items(), *headers.items()]:
        common.say(f"{label:<14} {fact}")
    common.say(f"\n{_indented(value)}")


@app.command()
def replay(
    context: typer.Context,
    names: MaybeNames = None,
    everything: Everything = False,
    topic: Topic = "",
    limit: Limit = 1000,
) -> None:
    """Send letters to their topic again, each once and with its original bytes."""
    wanted = list(dict.fromkeys(names or ()))
    if bool(wanted) == (everything or bool(topic)):
        raise InvalidEvent("name the letters to replay, or give --all or --topic")
    office = office_of(context)
    topics = _topics_of(wanted) if wanted else _topics(topic)
    found = asyncio.run(gathered(office, topics, wanted))
    _require(wanted, found)
    before = office.replayed()
    chosen = [letter for letter in found if letter.name not in before][:limit]
    failures = asyncio.run(replay_all(office, chosen))
    skipped = sum(letter.name in before for letter in found)
    common.say(f"{len(chosen) - len(failures)} replayed, {skipped} were already")
    for failure in failures:
        common.complain(failure)
    if failures:
        raise typer.Exit(1)


def _topics(topic: str) -> list[str]:
    topic = topic.removesuffix(dead_letter_topic(""))
    if topic and topic not in EVENT_BY_TOPIC:
        raise InvalidEvent(f"no topic {topic!r}; there are {', '.join(sorted(EVENT_BY_TOPIC))}")
    return [topic] if topic else list(EVENT_BY_TOPIC)


def _topics_of(names: Sequence[str]) -> list[str]:
    found = dict.fromkeys(name.rsplit(":", 2)[0] for name in names)
    return [topic for name in found for topic in _topics(name or "?")]


def _require(wanted: Sequence[str], found: Sequence[Letter]) -> None:
    if unknown := set(wanted) - {letter.name for letter in found}:
        raise InvalidEvent(f"no dead letter {', '.join(sorted(unknown))}; see `dlq list`")


def _indented(value: str) -> str:
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except ValueError:
        return value
