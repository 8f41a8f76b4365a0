"""What a file is, by its content; its name and declared type only settle what text means."""

import io
import re
import zipfile
from pathlib import PurePosixPath
from typing import Literal

from services.retrieval.reading.limits import Rejected

Kind = Literal["markdown", "html", "pdf", "docx", "csv"]

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SUPPORTED = "Markdown, HTML, PDF, DOCX, plain text, CSV of questions and answers"
_PDF_WITHIN = 1024  # bytes: readers accept rubbish before the mark
_MAX_CONTROL_SHARE = 0.01
_OTHER = {  # first bytes → what to tell the author
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"{\\rtf": "an RTF file: save it as DOCX or PDF",
    b"SQLite format 3": "a database",
}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_HTML = re.compile(
    r"\A\ufeff?\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,2000}?-->\s*)?"
    r"<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_XML = re.compile(r"\A\ufeff?\s*<(?:\?xml|svg|!DOCTYPE|!ENTITY)", re.IGNORECASE)


def kind_of(content: bytes, *, name: str = "", media_type: str = "") -> Kind:
    """What to read the file as. Raises Rejected, saying what it is instead."""
    if b"%PDF-" in content[:_PDF_WITHIN]:
        return "pdf"
    if content.startswith(b"PK\x03\x04"):
        return _kind_of_zip(content)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise Rejected(_about_ole(content))
    for mark, what in _OTHER.items():
        if content.startswith(mark):
            raise Rejected(f"this is {what}; supported are {SUPPORTED}")
    return _kind_of_text(text_of(content), name, media_type)


def text_of(content: bytes) -> str:
    """The text of a text file. Raises Rejected when it is none."""
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is no {encoding.upper().removesuffix('-SIG')}"
        what = "binary data" if b"\0" in content else "not UTF-8 text"
        raise Rejected(f"{what} ({at}); supported are {SUPPORTED}") from None
    controls = len(_CONTROL.findall(text))
    if "\0" in text or controls > _MAX_CONTROL_SHARE * len(text):
        raise Rejected(f"binary data, not text; supported are {SUPPORTED}")
    return text


def _kind_of_text(text: str, name: str, media_type: str) -> Kind:
    suffix = PurePosixPath(name).suffix.lower()
    if _HTML.match(text):
        return "html"
    if _XML.match(text):
        raise Rejected(f"this is XML or an SVG picture; supported are {SUPPORTED}")
    if media_type == "text/html" or suffix in (".html", ".htm"):
        return "html"
    if media_type == "text/csv" or suffix == ".csv":
        return "csv"
    return "markdown"


def _kind_of_zip(content: bytes) -> Kind:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist()[:10_000])
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Rejected(f"a damaged DOCX or zip file: {error}") from None
    if "word/document.xml" in names:
        return "docx"
    for part, what in (("xl/workbook.xml", "an Excel workbook: save it as CSV"),
                       ("ppt/presentation.xml", "a PowerPoint file: save it as PDF")):  # fmt: skip
        if part in names:
            raise Rejected(f"this is {what}")
    raise Rejected("this is a zip archive inside of something else; add the archive on its own")


def _about_ole(content: bytes) -> str:
    if "EncryptedPackage".encode("utf-16-le") in content:
        return "the file is encrypted: save it without a password"
    return "this is a file of an old Office version: save it as DOCX or PDF"
