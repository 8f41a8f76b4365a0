"""A CSV of questions and answers to Markdown: each question is a heading above its answer."""

import csv
import io
from collections.abc import Iterator, Sequence

from services.retrieval.reading.limits import MAX_ROWS, Rejected

_QUESTION = frozenset({"question", "questions", "q", "query", "frage", "pregunta"})
_ANSWER = frozenset({"answer", "answers", "a", "response", "reply", "antwort", "respuesta"})
_MAX_CELL_CHARACTERS = 100_000
_SAMPLE_CHARACTERS = 8192
_PLACES = 2


def read_csv(text: str) -> str:
    """Markdown with one section per row. Raises Rejected when there are no questions in it."""
    csv.field_size_limit(_MAX_CELL_CHARACTERS)
    try:
        rows = [row for row in _rows(text) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise Rejected(f"not a readable CSV: {error}") from None
    if not rows:
        raise Rejected("the CSV is empty")
    question, answer, body = _columns(rows)
    return "\n\n".join(_sections(body, question, answer))


def _rows(text: str) -> Iterator[Sequence[str]]:
    try:
        dialect = csv.Sniffer().sniff(text[:_SAMPLE_CHARACTERS], delimiters=",;\t|")
        delimiter = dialect.delimiter
    except csv.Error:
        delimiter = ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    for number, row in enumerate(reader, start=1):
        if number > MAX_ROWS:
            raise Rejected(f"the CSV has more than {MAX_ROWS} rows: split it")
        yield row


def _columns(rows: Sequence[Sequence[str]]) -> tuple[int, int, Sequence[Sequence[str]]]:
    names = [cell.strip().lower() for cell in rows[0]]
    question = next((i for i, name in enumerate(names) if name in _QUESTION), None)
    answer = next((i for i, name in enumerate(names) if name in _ANSWER), None)
    if question is not None and answer is not None:
        return question, answer, rows[1:]
    if all(len(row) == _PLACES for row in rows):
        return 0, 1, rows
    found = ", ".join(names)[:200]
    raise Rejected(f"a CSV needs the columns `question` and `answer`; found: {found}")


def _sections(rows: Sequence[Sequence[str]], question: int, answer: int) -> Iterator[str]:
    for row in rows:
        if len(row) > max(question, answer) and row[question].strip() and row[answer].strip():
            yield f"## {' '.join(row[question].split())}\n\n{row[answer].strip()}"
