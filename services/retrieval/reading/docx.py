"""DOCX to Markdown by markitdown, after a look at the zip that it is."""

import io
import re
import zipfile

from markitdown import StreamInfo
from markitdown.converters import DocxConverter

from services.retrieval.reading.limits import MAX_UNPACKED_BYTES, Rejected

_READ_BYTES = 1024 * 1024
_TITLE = re.compile(r"<dc:title>([^<]{1,300})</dc:title>")
_MODIFIED = re.compile(r"<dcterms:modified[^>]*>([^<]{1,40})</dcterms:modified>")


def read_docx(content: bytes) -> tuple[str, str, str]:
    """Markdown, title and time of the last change (ISO 8601; may be empty). Raises Rejected."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        _check(archive)
        known = "docProps/core.xml" in archive.namelist()
        about = archive.read("docProps/core.xml").decode(errors="replace") if known else ""
    converter = DocxConverter()  # type: ignore[no-untyped-call]
    converted = converter.convert(io.BytesIO(content), StreamInfo(extension=".docx"))
    title, modified = _TITLE.search(about), _MODIFIED.search(about)
    return (
        converted.markdown,
        " ".join(title.group(1).split()) if title else "",
        modified.group(1) if modified else "",
    )


def _check(archive: zipfile.ZipFile) -> None:
    """Sizes as really unpacked, whatever the headers say; no XML that defines entities."""
    left = MAX_UNPACKED_BYTES
    for info in archive.infolist():
        if info.flag_bits & 1:
            raise Rejected("the DOCX is encrypted: save it without a password")
        with archive.open(info) as part:
            first = True
            while piece := part.read(_READ_BYTES):
                left -= len(piece)
                if left < 0:
                    raise Rejected(f"the DOCX unpacks to more than {MAX_UNPACKED_BYTES >> 20} MB")
                if first and info.filename.endswith((".xml", ".rels")) and b"<!" in piece[:4096]:
                    _check_head(piece[:4096], info.filename)
                first = False


def _check_head(head: bytes, name: str) -> None:
    if re.search(rb"<!(DOCTYPE|ENTITY)", head, re.IGNORECASE):
        raise Rejected(f"{name} in the DOCX defines XML entities; no word processor does that")
