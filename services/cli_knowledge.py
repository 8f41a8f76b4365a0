"""`switchboard knowledge`: documents in, out, and what became of them."""

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from infra.local.knowledge import Document, read_article, version_of
from services import cli_common as common
from shared.errors import SwitchboardError, Unavailable

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".txt": "text/plain",
    ".html": "text/html",
}
POLL_S = 0.3
TRIES = 3
LONGEST_PAUSE_S = 10.0

app = typer.Typer(cls=common.Group, no_args_is_help=True, help="Documents that answers come from.")
Paths = Annotated[list[Path], typer.Argument(resolve_path=True, help="files or folders")]
Ids = Annotated[list[str], typer.Argument(help="document ids, as `knowledge status` lists them")]
Timeout = Annotated[float, typer.Option("--timeout", min=1, help="seconds to wait for the index")]


@dataclass
class Report:
    """What became of each file."""

    sent: dict[str, tuple[Path, str]] = field(default_factory=dict)  # id → (file, version)
    indexed: int = 0
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)  # (file or id, why)

    def fail(self, what: object, reason: str) -> None:
        """One failure; the rest goes on."""
        self.failed.append((str(what), reason))

    def close(self, headline: str) -> None:
        """Say how it went; exit code 1 if anything failed."""
        common.say(headline)
        for what, reason in self.failed:
            common.complain(f"{what}: {reason}")
        if self.failed:
            raise typer.Exit(1)


@app.command()
def add(
    paths: Paths,
    url: common.Url = common.GATEWAY,
    key: common.Key = "",
    timeout_s: Timeout = 300.0,
) -> None:
    """Give or replace documents (.md .markdown .txt .html) and wait until they can be found."""
    report = Report()
    files = dict(_collected(paths, report))
    with common.client(url, common.key_of("admin", key)) as http, _progress() as progress:
        have = listed(http) if files else {}
        sending = progress.add_task("sending", total=len(files))
        for document_id, path in files.items():
            _send(http, document_id, path, have, report)
            progress.advance(sending)
        indexing = progress.add_task("indexing", total=len(report.sent))
        for done in _until_indexed(http, report, timeout_s):
            progress.update(indexing, completed=done)
    counts = f"{report.indexed} indexed, {report.unchanged} unchanged, {len(report.failed)} failed"
    report.close(counts)


@app.command()
def status(
    url: common.Url = common.GATEWAY, key: common.Key = "", as_json: common.AsJson = False
) -> None:
    """List the documents: indexed, on their way, or rejected and why."""
    with common.client(url, common.key_of("admin", key)) as http:
        found = _catalogue(http)
    if as_json:
        common.say(json.dumps(found, ensure_ascii=False))
        return
    table = Table("id", "state", "chunks", "title", "note")
    for row in found["documents"]:
        cells = (row["id"], row["state"], row.get("chunks", 0), row.get("title"), row.get("reason"))
        table.add_row(*(common.plain(str(cell or "")) for cell in cells))
    Console(highlight=False, markup=False).print(table)
    states = [row["state"] for row in found["documents"]]
    counts = ", ".join(f"{states.count(state)} {state}" for state in sorted(set(states)))
    common.say(f"{len(states)} documents" + (f": {counts}" if counts else ""))


@app.command()
def remove(ids: Ids, url: common.Url = common.GATEWAY, key: common.Key = "") -> None:
    """Withdraw documents: nothing is answered from them any more."""
    report = Report()
    with common.client(url, common.key_of("admin", key)) as http:
        for document_id in dict.fromkeys(ids):
            try:
                if document_id != document_id_of(Path(document_id)):
                    raise Unavailable("not a document id")
                _request(http, "DELETE", f"/v1/documents/{document_id}")
            except SwitchboardError as error:
                report.fail(document_id, str(error))
    report.close(f"{len(set(ids)) - len(report.failed)} removed, {len(report.failed)} failed")


def listed(http: httpx.Client) -> dict[str, Document]:
    """Document id → what the system says about it. Raises Unavailable."""
    return {row["id"]: row for row in _catalogue(http)["documents"]}


def document_id_of(path: Path) -> str:
    """`returns/in the EU.md` becomes `returns-in-the-EU`; the API allows 128 such signs."""
    parts = "-".join([*path.parent.parts, path.stem if path.suffix in MEDIA_TYPES else path.name])
    return re.sub(r"[^A-Za-z0-9._-]+", "-", parts).strip("-._")[:128]


def read_document(path: Path) -> Document:
    """A file as the body of `PUT /v1/documents/{id}`. Raises Unavailable, naming what is wrong."""
    kind = MEDIA_TYPES[path.suffix.lower()]
    try:
        if kind == "text/markdown":
            return read_article(path)
        return {"content": path.read_text(encoding="utf-8"), "media_type": kind}
    except UnicodeDecodeError:
        raise Unavailable("not UTF-8 text") from None
    except OSError as error:
        raise Unavailable(error.strerror or str(error)) from None
    except (yaml.YAMLError, AttributeError):
        raise Unavailable("the front matter between the --- lines is not valid YAML") from None


def _collected(paths: Sequence[Path], report: Report) -> Iterator[tuple[str, Path]]:
    taken: dict[str, Path] = {}
    for document_id, path in _files(paths, report):
        if not document_id:
            report.fail(path, "its name makes no document id; rename it")
        elif document_id in taken and taken[document_id] != path:
            report.fail(path, f"has the same id, {document_id}, as {taken[document_id]}")
        else:
            taken[document_id] = path
            yield document_id, path


def _files(paths: Sequence[Path], report: Report) -> Iterator[tuple[str, Path]]:
    for path in paths:
        if not path.exists():
            report.fail(path, "no such file or folder")
        elif path.is_dir():
            found = [p for p in sorted(path.rglob("*")) if _is_document(p, path)]
            if not found:
                report.fail(path, f"holds no {' '.join(MEDIA_TYPES)} files")
            yield from ((document_id_of(file.relative_to(path)), file) for file in found)
        elif path.suffix.lower() not in MEDIA_TYPES:
            report.fail(path, f"not one of {' '.join(MEDIA_TYPES)}")
        else:
            yield document_id_of(Path(path.name)), path


def _is_document(path: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return path.suffix.lower() in MEDIA_TYPES and path.is_file() and not hidden


def _send(
    http: httpx.Client, document_id: str, path: Path, have: dict[str, Document], report: Report
) -> None:
    try:
        body = read_document(path)
        row = have.get(document_id, {})
        if row.get("state") == "indexed" and row.get("version") == version_of(body):
            report.unchanged += 1
            return
        answer = _request(http, "PUT", f"/v1/documents/{document_id}", json=body).json()
        report.sent[document_id] = (path, str(answer["version"]))
    except SwitchboardError as error:
        report.fail(path, str(error))


def _until_indexed(http: httpx.Client, report: Report, timeout_s: float) -> Iterator[int]:
    waiting = dict(report.sent)
    until = time.monotonic() + timeout_s
    while waiting:
        have = listed(http)
        for document_id, (path, version) in list(waiting.items()):
            row = have.get(document_id, {})
            if row.get("version") != version or row.get("state") not in ("indexed", "rejected"):
                continue
            del waiting[document_id]
            report.indexed += row["state"] == "indexed"
            if row["state"] == "rejected":
                report.fail(path, f"rejected: {row.get('reason')}")
        yield len(report.sent) - len(waiting)
        if waiting and time.monotonic() > until:
            for path, _ in waiting.values():
                report.fail(path, f"taken, but not indexed after {timeout_s:.0f} s")
            return
        time.sleep(POLL_S if waiting else 0)


def _catalogue(http: httpx.Client) -> dict[str, Any]:
    try:
        found = _request(http, "GET", "/v1/documents").json()
        if isinstance(found["documents"], list):
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise Unavailable(f"what answers at {http.base_url} is not Switchboard")


def _request(http: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    """One call; a gateway that is busy for a moment is asked again."""
    for attempt in range(1, TRIES + 1):
        try:
            response = http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise common.unreachable(http.base_url, error) from None
        if response.status_code not in (429, 503) or attempt == TRIES:
            break
        pause = response.headers.get("retry-after", "1")
        time.sleep(min(LONGEST_PAUSE_S, float(pause) if pause.isdigit() else 1.0))
    return common.checked(response)


def _progress() -> Progress:
    columns = (TextColumn("{task.description:<9}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, console=common.notes())
