"""`python -m infra.local up|down|restart|status|logs|trace|doctor`."""

import json
import subprocess
import sys
from collections.abc import Collection
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from infra.local.cluster import ROOT, Cluster, open_cluster
from shared.errors import SwitchboardError

app = typer.Typer(add_completion=False, no_args_is_help=True, help="The system on one machine.")
console = Console()
Name = Annotated[str, typer.Argument(help="one process; nothing: all")]


@app.command()
def up() -> None:
    """Start everything and say where it is."""
    from infra.local import start

    cluster = open_cluster()
    start.up(cluster, console)
    start.print_addresses(cluster, console)


@app.command()
def down() -> None:
    """Stop everything, in order."""
    from infra.local import stop

    with console.status("stopping"):
        count = stop.down(open_cluster())
    console.print(f"stopped {count} processes" if count else "nothing was running")


@app.command()
def restart(name: Name = "") -> None:
    """Restart one process, or everything with the settings of now."""
    from infra.local.supervisor import Supervisor

    if not name:
        down()
        up()
        return
    control = Supervisor(_running())
    control.stop([_known(control.states(), name)])
    control.start([name])
    console.print(f"{name} starts again")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Processes, memory, lag, mode. Exit code 1 when something is not well."""
    from infra.local import status as state

    cluster = _running()
    found = state.rows(cluster)
    if as_json:
        print(json.dumps({"mode": state.mode(cluster), "processes": [vars(r) for r in found]}))
    else:
        console.print(state.process_table(found))
        console.print(state.lag_table(cluster))
        console.print(f"mode in force: [bold]{state.mode(cluster)}")
    if any(row.state != "RUNNING" or row.ready == "no" for row in found):
        raise typer.Exit(1)


@app.command()
def logs(name: Name = "") -> None:
    """Follow the logs."""
    folder = open_cluster().logs
    have = {path.stem: path for path in sorted(folder.glob("*.log"))}
    paths = [have[_known(have, name)]] if name else list(have.values())
    if not paths:
        raise SwitchboardError(f"no logs in {folder}; nothing was started yet")
    try:
        subprocess.run(["tail", "-n", "40", "-F", *paths], check=False)
    except KeyboardInterrupt:
        return


@app.command()
def trace(turn: Annotated[str, typer.Argument(help="turn id, or `last`")] = "last") -> None:
    """Draw the path of one turn with its times."""
    from infra.local import trace as drawing

    spans = list(drawing.read_spans(open_cluster().var / "traces"))
    try:
        wanted = drawing.latest_trace(spans) if turn == "last" else drawing.trace_id(turn)
    except ValueError:
        raise SwitchboardError(f"{turn!r} is not a turn id") from None
    path = drawing.path_of(spans, wanted or "")
    if not path:
        raise SwitchboardError(f"no trace of turn {turn}: not asked here, or too long ago")
    console.print(drawing.draw(path))


@app.command()
def doctor() -> None:
    """What this machine lacks, and what to do. Exit code 1 when `make up` could not work."""
    from infra.local.doctor import examine

    findings = examine(open_cluster())
    table = Table("", "what", "seen", "what to do")
    for finding in findings:
        sign = "[green]✓" if finding.ok else "[red]✗" if finding.required else "[yellow]-"
        table.add_row(sign, finding.name, finding.seen, "" if finding.ok else finding.remedy)
    console.print(table)
    if any(finding.required and not finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def chromium() -> None:
    """Make sure of the browser that the tests drive."""
    from infra.local.doctor import ensure_chromium

    if not ensure_chromium():
        raise SwitchboardError("the browser tests need Chromium: apt-get install chromium")


@app.command("env-example")
def env_example() -> None:
    """Write `.env.example` from the settings classes."""
    from infra.local.env_example import render

    (ROOT / ".env.example").write_text(render(ROOT))


def _running() -> Cluster:
    from infra.local.supervisor import Supervisor

    cluster = open_cluster()
    if not Supervisor(cluster).alive():
        raise SwitchboardError("nothing runs here; `make up` starts it")
    return cluster


def _known(have: Collection[str], name: str) -> str:
    if name not in have:
        raise SwitchboardError(f"no process called {name!r}; there are {', '.join(have)}")
    return name


if __name__ == "__main__":
    try:
        app()
    except SwitchboardError as error:
        Console(stderr=True).print(f"[bold red]✗[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
