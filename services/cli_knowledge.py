"""`switchboard knowledge`: documents in, out, what became of them, and what is missing."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from services import cli_common as common
from services.cli_coverage import show_report
from services.cli_export import write_export
from services.cli_import import Import, Options, Report
from services.cli_library import DOCUMENT_ID, Library
from services.retrieval.sources.open import Fetching
from shared.errors import SwitchboardError, Unavailable

app = typer.Typer(cls=common.Group, no_args_is_help=True, help="Documents that answers come from.")
Places = Annotated[
    list[str], typer.Argument(help="folders, files, zips, sitemaps (path or https://…/sitemap.xml)")
]
Ids = Annotated[list[str], typer.Argument(help="document ids, as `knowledge status` lists them")]
Timeout = Annotated[
    float, typer.Option("--timeout", min=1, help="give up after so many seconds without progress")
]
Sync = Annotated[
    bool, typer.Option("--sync", help="also remove what this place brought before and has no more")
]
Force = Annotated[bool, typer.Option("--force", help="remove even a large share of the documents")]
Again = Annotated[bool, typer.Option("--again", help="read and embed unchanged documents, too")]
Private = Annotated[
    bool, typer.Option("--allow-private", help="fetch a sitemap's pages from private addresses")
]
Target = Annotated[
    Path, typer.Argument(resolve_path=True, help="a new folder, or a file that ends in .zip")
]
Days = Annotated[int, typer.Option("--days", min=1, max=365, help="how far back to look")]
State = Annotated[
    str, typer.Option("--state", help="only documents that are pending, indexed or rejected")
]


@app.command()
def add(
    places: Places,
    *,
    url: common.Url = common.GATEWAY,
    key: common.Key = "",
    timeout_s: Timeout = 300.0,
    sync: Sync = False,
    force: Force = False,
    again: Again = False,
    allow_private: Private = False,
) -> None:
    """Give or replace documents and wait until they can be found.

    Markdown, HTML, PDF, DOCX, plain text, and CSV with the columns question and answer.
    """
    options = Options(timeout_s, sync, force, again, Fetching(allow_private=allow_private))
    named = [place_of(place) for place in places]
    with common.client(url, common.key_of("admin", key)) as http:
        report = Import(Library(http), options).run(named)
    report.close(report.headline(sync))


@app.command()
def status(
    url: common.Url = common.GATEWAY,
    key: common.Key = "",
    as_json: common.AsJson = False,
    state: State = "",
) -> None:
    """List the documents: indexed, on their way, or rejected and why."""
    with common.client(url, common.key_of("admin", key)) as http:
        found = Library(http).catalogue(state)
    if as_json:
        common.say(json.dumps(found, ensure_ascii=False))
        return
    table = Table("id", "state", "chunks", "title", "note")
    for row in found["documents"]:
        cells = (row["id"], row["state"], row.get("chunks", 0), row.get("title"), row.get("reason"))
        table.add_row(*(common.plain(str(cell or "")) for cell in cells))
    Console(highlight=False, markup=False).print(table)
    common.say(_summary(found["documents"]))


def _summary(rows: list[dict[str, Any]]) -> str:
    states = [row["state"] for row in rows]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    return f"{len(states)} documents" + (f": {counts}" if counts else "")


@app.command()
def remove(ids: Ids, url: common.Url = common.GATEWAY, key: common.Key = "") -> None:
    """Withdraw documents: nothing is answered from them any more."""
    report = Report()
    with common.client(url, common.key_of("admin", key)) as http:
        for document_id in dict.fromkeys(ids):
            try:
                if not DOCUMENT_ID.fullmatch(document_id):
                    raise Unavailable("not a document id")
                Library(http).remove(document_id)
            except SwitchboardError as error:
                report.fail(document_id, str(error))
    report.close(f"{len(set(ids)) - len(report.failed)} removed, {len(report.failed)} failed")


@app.command()
def export(
    target: Target, url: common.Url = common.GATEWAY, key: common.Key = "", force: Force = False
) -> None:
    """Write every document as Markdown that `knowledge add` can read back."""
    report = Report()
    with common.client(url, common.key_of("admin", key)) as http:
        written = write_export(Library(http), target, report, overwrite=force)
    report.close(f"{written} documents written to {target}")


@app.command()
def gaps(
    url: common.Url = common.GATEWAY,
    key: common.Key = "",
    as_json: common.AsJson = False,
    days: Days = 7,
) -> None:
    """Which articles to write: questions without an answer, grouped; articles without a use."""
    with common.client(url, common.key_of("admin", key), read_timeout_s=60.0) as http:
        found = Library(http).coverage(days)
    if as_json:
        common.say(json.dumps(found, ensure_ascii=False))
        return
    show_report(found)


def place_of(text: str) -> str:
    """A place that means the same from every folder: URLs as they are, paths made absolute."""
    if text.startswith(("http://", "https://")):
        return text
    return str(Path(text).expanduser().resolve())
