"""Documents and queries to measure retrieval on: plain folders and BEIR folders.

Every complaint is a ValueError that names the file, the line and what should stand there.
"""

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.retrieval.chunking import Piece, chunk_document
from services.retrieval.reading.document import Source, read_document
from shared.documents import MEDIA_TYPES, media_type_of
from shared.embeddings import TokenCounter

_FORM = '{"query": text, "doc": file name without its ending}'
_BEIR_SPLITS = ("test", "dev", "train")


@dataclass(frozen=True)
class Document:
    """A document to search in, cut into pieces as ingestion does."""

    id: str
    pieces: tuple[Piece, ...]
    product: str = ""


@dataclass(frozen=True)
class Asked:
    """A query and the documents that answer it, each with its gain (> 0)."""

    text: str
    relevant: Mapping[str, float]


def read_documents(folder: Path, counter: TokenCounter) -> list[Document]:
    """Documents of a folder of files of any supported kind, or of a BEIR `corpus.jsonl`.

    A file's id is its name without the ending, or its path when another file has that name too.
    A file that cannot be read is named on standard error, and the rest goes on.

    Raises:
        ValueError: there is none, or a BEIR row is malformed.
    """
    corpus = folder / "corpus.jsonl"
    found = _read_corpus(corpus, counter) if corpus.is_file() else _read_files(folder, counter)
    documents = list(found)
    if not documents:
        kinds = ", ".join(MEDIA_TYPES)
        raise ValueError(f"no documents in {folder}: expected files ({kinds}) or corpus.jsonl")
    return documents


def _read_corpus(corpus: Path, counter: TokenCounter) -> Iterator[Document]:
    for place, row in json_rows(corpus):
        name, text = _text(place, row, "_id"), _text(place, row, "text", empty=True)
        title = str(row.get("title") or "")
        pieces = chunk_document(text, title=title, embedder=counter)
        yield Document(name, tuple(pieces) or (Piece(title, (), title or name),))


def _read_files(folder: Path, counter: TokenCounter) -> Iterator[Document]:
    paths = [path for path in sorted(folder.rglob("*"))
             if path.suffix.lower() in MEDIA_TYPES and path.is_file()]  # fmt: skip
    named = Counter(path.stem for path in paths)
    for path in paths:
        inside = path.relative_to(folder)
        name = path.stem if named[path.stem] == 1 else inside.with_suffix("").as_posix()
        try:
            read = read_document(path.read_bytes(), Source(path.name, media_type_of(path.name)),
                                 counter)  # fmt: skip
        except Exception as reason:  # Rejected, and whatever the parsers of PDF and DOCX raise
            print(f"left out: {inside}: {reason}", file=sys.stderr)
            continue
        yield Document(name, read.pieces, read.product)


def read_queries(path: Path, folder: Path, known: Sequence[str]) -> list[Asked]:
    """Queries of a JSONL file, with relevance in `doc`, `docs` or the folder's `qrels/*.tsv`.

    Raises:
        ValueError: none, a malformed row, or an answer that is not among the `known` documents.
    """
    rows = list(json_rows(path))
    beir = bool(rows) and "_id" in rows[0][1]
    asked = _beir_queries(rows, folder) if beir else [_asked(place, row) for place, row in rows]
    if not asked:
        raise ValueError(f"no queries in {path}: expected lines of {_FORM}")
    _check_known(asked, set(known), path)
    return asked


def _asked(place: str, row: Mapping[str, object]) -> Asked:
    several = row.get("docs")
    if isinstance(several, list) and several and all(isinstance(doc, str) for doc in several):
        return Asked(_text(place, row, "query"), dict.fromkeys(several, 1.0))
    return Asked(_text(place, row, "query"), {_text(place, row, "doc"): 1.0})


def _check_known(asked: Sequence[Asked], known: set[str], path: Path) -> None:
    missing = [doc for query in asked for doc in query.relevant if doc not in known]
    if missing:
        raise ValueError(
            f"{path}: {len(missing)} answers are not among the {len(known)} documents, "
            f"e.g. {missing[0]!r} (documents are called like {min(known)!r})"
        )


def _beir_queries(rows: Sequence[tuple[str, Mapping[str, object]]], folder: Path) -> list[Asked]:
    relevant = _read_qrels(folder)
    asked = [Asked(_text(place, row, "text"), relevant.get(_text(place, row, "_id"), {}))
             for place, row in rows]  # fmt: skip
    return [query for query in asked if query.relevant]


def _read_qrels(folder: Path) -> dict[str, dict[str, float]]:
    choices = [folder / "qrels" / f"{name}.tsv" for name in _BEIR_SPLITS]
    path = next((choice for choice in choices if choice.is_file()), None)
    if path is None:
        raise ValueError(f"no qrels/test.tsv, dev.tsv or train.tsv in {folder}")
    relevant: dict[str, dict[str, float]] = {}
    with path.open(encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines, delimiter="\t"), 2):
            try:
                query, document, gain = row["query-id"], row["corpus-id"], float(row["score"])
            except (KeyError, TypeError, ValueError):
                raise ValueError(
                    f"{path} line {number}: expected query-id, corpus-id and a number as score, "
                    "with tabs between them"
                ) from None
            if gain > 0:
                relevant.setdefault(query, {})[document] = gain
    return relevant


def json_rows(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """The objects of a JSONL file, each with its place in words."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            place = f"{path} line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"{place} is not JSON: {error}") from None
            if not isinstance(row, dict):
                raise ValueError(f"{place}: expected an object such as {_FORM}")
            yield place, row


def _text(place: str, row: Mapping[str, object], field: str, *, empty: bool = False) -> str:
    value = row.get(field)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # BEIR's ids are sometimes numbers
    if not isinstance(value, str) or not (empty or value.strip()):
        raise ValueError(f'{place}: "{field}" should be a text, is {value!r}')
    return value
