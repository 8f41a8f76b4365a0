"""Documents as Markdown files with front matter, in a folder or a zip."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import yaml

from services.cli_import import Report
from services.cli_library import Library, Row
from shared.documents import DEFAULTS
from shared.errors import ConfigurationError, SwitchboardError

_FIELDS = ("title", "source", "locale", "product", "visibility")


def write_export(library: Library, target: Path, report: Report, *, overwrite: bool) -> int:
    """Write every indexed document; how many. Raises ConfigurationError for a target in use."""
    written = 0
    with _writer(target, overwrite) as write:
        for document_id, row in library.listed().items():
            if row["state"] != "indexed":
                continue
            try:
                document = library.document(document_id)
            except SwitchboardError as error:
                report.fail(document_id, str(error))
                continue
            write(f"{document_id}.md", as_markdown(document))
            written += 1
    return written


def as_markdown(document: Row) -> str:
    """One document with what is known about it in the head."""
    facts = {name: document.get(name) for name in _FIELDS}
    said = {name: value for name, value in facts.items() if value and value != DEFAULTS.get(name)}
    if updated_ms := document.get("updated_unix_ms"):
        said["updated"] = datetime.fromtimestamp(updated_ms / 1000, UTC).isoformat()
    head = yaml.safe_dump(said, allow_unicode=True, sort_keys=False)
    return f"---\n{head}---\n\n{document['content']}"


@contextmanager
def _writer(target: Path, overwrite: bool) -> Iterator[Callable[[str, str], None]]:
    in_use = target.exists() and (target.is_file() or any(target.iterdir()))
    if in_use and not overwrite:
        raise ConfigurationError(f"{target} is there already; --force writes into it")
    if target.suffix.lower() == ".zip":
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            yield archive.writestr
        return
    target.mkdir(parents=True, exist_ok=True)
    yield lambda name, text: _write(target / name, text)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
