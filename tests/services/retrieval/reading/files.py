"""Tiny files of every kind, and hostile ones, made on the spot."""

import io
import zipfile

from pypdf import PdfReader, PdfWriter

_CONTENT_TYPES = (
    '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/'
    'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
    'relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override '
    'PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
_RELS = (
    '<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/'
    'relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/'
    '2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>'
)
_CORE = (
    '<cp:coreProperties xmlns:cp="x" xmlns:dc="y" xmlns:dcterms="z"><dc:title>{title}</dc:title>'
    "<dcterms:modified>2026-03-01T10:00:00Z</dcterms:modified></cp:coreProperties>"
)
_NAMESPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def paragraph(text: str, style: str = "") -> str:
    """A paragraph of a DOCX."""
    kind = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{kind}<w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(*paragraphs: str, title: str = "", head: str = "") -> bytes:
    """A DOCX; `head` goes before its root element."""
    body = "".join(paragraphs)
    document = f'{head}<w:document xmlns:w="{_NAMESPACE}"><w:body>{body}</w:body></w:document>'
    parts = {
        "[Content_Types].xml": _CONTENT_TYPES,
        "_rels/.rels": _RELS,
        "word/document.xml": document,
        "docProps/core.xml": _CORE.format(title=title),
    }
    return zipped(parts)


def zipped(parts: dict[str, str | bytes]) -> bytes:
    """A zip with these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return packed.getvalue()


def pdf(pages: list[list[tuple[int, str]]], title: str = "") -> bytes:
    """A PDF; each page is lines of (size of letters, text)."""
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    kids = []
    for lines in pages:
        y, drawn = 800, []
        for size, text in lines:
            y -= 2 * size
            drawn.append(f"BT /F1 {size} Tf 72 {y} Td ({text}) Tj ET")
        stream = "\n".join(drawn)
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {len(objects)} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>"
    objects.append(f"<</Title({title})>>")
    return _assembled(objects)


def _assembled(objects: list[str]) -> bytes:
    out, places = b"%PDF-1.4\n", []
    for number, text in enumerate(objects, start=1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode()
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    size = len(objects) + 1
    trailer = f"trailer<</Size {size}/Root 1 0 R/Info {len(objects)} 0 R>>"
    start = len(out)
    head = f"xref\n0 {size}\n0000000000 65535 f \n"
    return out + f"{head}{table}{trailer}\nstartxref\n{start}\n%%EOF".encode()


def encrypted_pdf() -> bytes:
    """A PDF that wants a password."""
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf([[(12, "secret")]]))))
    writer.encrypt("secret", algorithm="RC4-128")
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def encrypted_docx() -> bytes:
    """The first sector of what Word writes when a DOCX gets a password."""
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 504 + "EncryptedPackage".encode("utf-16-le")
    )
