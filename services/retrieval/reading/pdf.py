"""PDF to Markdown: paragraphs in reading order, headings told by the size of their letters."""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pdfminer.high_level import extract_pages
from pdfminer.layout import LAParams, LTChar, LTTextBoxHorizontal, LTTextLineHorizontal
from pdfminer.pdfdocument import PDFDocument, PDFPasswordIncorrect
from pdfminer.pdfpage import PDFPage
from pdfminer.pdfparser import PDFParser

from services.retrieval.reading.limits import MAX_PAGES, Rejected

_HEADING_RATIO = 1.15  # letters this much larger than the body's are a heading
_HEADING_CHARACTERS = 150
_LEVELS = 3
_NO_TITLE = re.compile(r"^(Microsoft |untitled)|\.\w{2,5}$", re.IGNORECASE)  # written by programs


@dataclass(frozen=True)
class _Block:
    size: float  # of its letters, in points; one decimal
    text: str


def read_pdf(content: bytes) -> tuple[str, str]:
    """The text as Markdown, and the title that the file's own data gives. Raises Rejected."""
    title = _checked_title(content)
    blocks = [
        block
        for page in extract_pages(io.BytesIO(content), laparams=LAParams())
        for box in page
        if isinstance(box, LTTextBoxHorizontal)
        for block in _blocks(box)
    ]
    markdown = "\n\n".join(_lines(blocks))
    if not markdown.strip():
        raise Rejected("the PDF holds no text, only pictures: recognise its text (OCR) first")
    return markdown, title


def _checked_title(content: bytes) -> str:
    try:
        document = PDFDocument(PDFParser(io.BytesIO(content)))
    except PDFPasswordIncorrect:
        raise Rejected("the PDF is encrypted: save it without a password") from None
    for number, _ in enumerate(PDFPage.create_pages(document), start=1):
        if number > MAX_PAGES:
            raise Rejected(f"the PDF has more than {MAX_PAGES} pages: split it")
    named = next((info["Title"] for info in document.info if "Title" in info), b"")
    return _decoded(named) if isinstance(named, bytes) else ""


def _decoded(value: bytes) -> str:
    encoding = "utf-16" if value.startswith((b"\xfe\xff", b"\xff\xfe")) else "latin-1"
    title = " ".join(value.decode(encoding, errors="ignore").split())[:300]
    return "" if _NO_TITLE.search(title) else title


def _blocks(box: LTTextBoxHorizontal) -> Iterator[_Block]:
    """A box's lines, joined as long as their letters have one size."""
    held: list[str] = []
    size = 0.0
    for line in box:
        if not isinstance(line, LTTextLineHorizontal) or not line.get_text().strip():
            continue
        letters = Counter(round(char.size, 1) for char in line if isinstance(char, LTChar))
        now = letters.most_common(1)[0][0] if letters else 0.0
        if held and now != size:
            yield _Block(size, _joined(held))
            held = []
        size = now
        held.append(" ".join(line.get_text().split()))
    if held:
        yield _Block(size, _joined(held))


def _joined(lines: Sequence[str]) -> str:
    """Lines of one paragraph; a word cut by a hyphen at a line's end becomes whole."""
    text = lines[0]
    for line in lines[1:]:
        cut = text.endswith("-") and text[-2:-1].isalpha() and line[:1].islower()
        text = text[:-1] + line if cut else f"{text} {line}"
    return text


def _lines(blocks: Sequence[_Block]) -> Iterator[str]:
    letters: Counter[float] = Counter()
    for block in blocks:
        letters[block.size] += len(block.text)
    body = letters.most_common(1)[0][0] if letters else 0.0
    larger = sorted({b.size for b in blocks if _is_heading(b, body)}, reverse=True)
    for block in blocks:
        if _is_heading(block, body):
            level = min(larger.index(block.size), _LEVELS - 1) + 1
            yield f"{'#' * level} {block.text}"
        else:
            yield block.text


def _is_heading(block: _Block, body: float) -> bool:
    return block.size >= body * _HEADING_RATIO and len(block.text) <= _HEADING_CHARACTERS
