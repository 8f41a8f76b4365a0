"""Every kind of file is read; every hostile one is refused by reason, in bounded time."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.retrieval.reading.document import ReadDocument, Source
from services.retrieval.reading.limits import Limits, Rejected
from services.retrieval.reading.sandbox import SandboxReader
from tests.services.retrieval.reading import files

QUICK = Limits(memory_bytes=256 << 20, cpu_s=4, wall_s=8.0)
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    '<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]>'
)


@pytest.fixture(scope="module")
def reader() -> Iterator[SandboxReader]:
    with SandboxReader("minilm:", QUICK) as found:
        yield found


def read(reader: SandboxReader, content: bytes, name: str = "x", **more: str) -> ReadDocument:
    return reader.read(content, Source(name, **more))


def paths(document: ReadDocument) -> list[tuple[str, ...]]:
    return [piece.headings for piece in document.pieces]


def test_markdown_keeps_what_its_front_matter_says(reader: SandboxReader) -> None:
    text = (
        b"---\ntitle: Returns\nproduct: one\nlanguage: de\nvisibility: agents\n"
        b"updated: 2026-01-02\nurl: https://a.example/r\ntags: [a, b]\n---\n\n# Returns\n\nText.\n"
    )
    found = read(reader, text, "returns.md")
    assert (found.title, found.product, found.locale) == ("Returns", "one", "de")
    assert (found.visibility, found.source) == ("agents", "https://a.example/r")
    assert found.updated_unix_ms == 1_767_312_000_000
    assert [(piece.headings, piece.text) for piece in found.pieces] == [((), "Text.")]


def test_html_is_read_without_what_stands_around_it(reader: SandboxReader) -> None:
    page = b"""<!doctype html><html lang="fr"><head><title>Gifts | Shop</title>
    <link rel="canonical" href="https://shop.example/gifts"></head><body><nav>Home Cart</nav>
    <main><h1>Gifts</h1><h2>Wrapping</h2><p>Wrapped for <b>free</b>.</p><script>bad()</script>
    <svg><text>drawn</text></svg></main><footer>Imprint</footer></body></html>"""
    found = read(reader, page, "gifts.html")
    assert (found.title, found.locale) == ("Gifts", "fr")
    assert found.source == "https://shop.example/gifts"
    words = " ".join(piece.text for piece in found.pieces)
    assert "Wrapped for **free**." in words
    assert not any(word in words for word in ("Cart", "Imprint", "bad()", "drawn"))


def test_pdf_headings_are_told_by_size(reader: SandboxReader) -> None:
    body = "The tank holds two litres of water and should be rinsed once a week with care."
    text = [(12, body)] * 4
    pages = [[(20, "Cleaning guide"), *text, (16, "Water tank"), *text], [(16, "Brewing"), *text]]
    found = read(reader, files.pdf(pages, "Microsoft Word - x.doc"), "guide.pdf")
    assert found.title == "Cleaning guide"
    assert [path[-1] for path in paths(found) if path] == ["Water tank", "Brewing"]
    assert all("two litres of water" in piece.text for piece in found.pieces)


def test_docx_keeps_its_headings_and_says_when_it_changed(reader: SandboxReader) -> None:
    content = files.docx(
        files.paragraph("Warranty", "Heading1"),
        files.paragraph("How long", "Heading2"),
        files.paragraph("Two years. " * 40),
        title="Warranty terms",
    )
    found = read(reader, content, "w.docx")
    assert found.title == "Warranty terms"
    assert paths(found) == [("Warranty", "How long")]
    assert found.updated_unix_ms == 1_772_359_200_000


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_csv_of_questions_has_one_piece_for_each(reader: SandboxReader, separator: str) -> None:
    rows = [
        ("topic", "Question", "Answer"),
        ("a", "Where is it?", '"Here, or\nthere"'),
        ("b", "How?", "So"),
    ]
    text = "\n".join(separator.join(row) for row in rows)
    found = read(reader, text.encode(), "faq.csv")
    assert found.title == "faq"
    pieces = [(piece.headings, piece.text) for piece in found.pieces]
    assert pieces == [(("Where is it?",), "Here, or\nthere"), (("How?",), "So")]


def test_what_a_file_is_its_content_decides(reader: SandboxReader) -> None:
    made = files.pdf([[(12, "Really a PDF")]])
    assert read(reader, made, "notes.txt", media_type="text/plain").pieces[0].text == "Really a PDF"
    word = files.docx(files.paragraph("Really Word"))
    assert read(reader, word, "page.html").pieces[0].text == "Really Word"
    page = b"<html><body><h1>Really a page</h1><p>Yes.</p></body></html>"
    assert read(reader, page, "a.md").title == "Really a page"
    utf16 = "# Grüße\n\nText".encode("utf-16")
    assert read(reader, utf16, "a.md").title == "Grüße"


HOSTILE = {
    "encrypted.pdf": (files.encrypted_pdf(), "encrypted"),
    "encrypted.docx": (files.encrypted_docx(), "encrypted"),
    "pages.pdf": (files.pdf([[(12, "x")]] * 10_000), "more than 1000 pages"),
    "cut.pdf": (files.pdf([[(12, "x")]])[:200], "damaged"),
    "entities.docx": (files.docx(files.paragraph("&c;"), head=BOMB), "XML entities"),
    "bomb.docx": (files.docx("<w:p/>" * 20_000_000), "unpacks to more than 64 MB"),
    "cut.docx": (files.docx(files.paragraph("x"))[:300], "damaged"),
    "zip.docx": (files.zipped({"a.txt": b"x"}), "zip archive"),
    "tower.html": (b"<html>" + b"<div>" * 300_000, "nested more than 500 deep"),
    "drawing.html": (BOMB.encode() + b"<svg>&c;</svg>", "XML or an SVG"),
    "aliases.md": (
        b"---\na: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        b"c: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ntitle: *d\n---\n",
        "empty",
    ),
    "yaml.md": (b"---\na: [\n---\n\ntext", "not valid YAML"),
    "line.md": (b"a" * 5_000_000, "more than 4,000,000 characters"),
    "binary.txt": (bytes(range(256)) * 4_000, "binary data"),
    "zeros.txt": (b"a\0" * 1_000, "binary data"),
    "latin.txt": ("Straße".encode("latin-1"), "not UTF-8"),
    "picture.md": (b"\x89PNG\r\n\x1a\n" + b"x" * 100, "PNG picture"),
    "sheet.csv": (b"id,price\n1,2\n1,2,3\n", "columns `question` and `answer`"),
    "empty.md": (b" \n\n ", "empty"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_or_broken_file_is_refused_with_a_reason(
    reader: SandboxReader, name: str
) -> None:
    content, reason = HOSTILE[name]
    started_s = time.monotonic()
    with pytest.raises(Rejected, match=reason):
        read(reader, content, name)
    assert time.monotonic() - started_s < QUICK.wall_s + 5


@pytest.mark.parametrize("name", ["brackets.md", "comments.md", "stars.md", "table.md"])
def test_patterns_that_make_parsers_slow_end_in_time(reader: SandboxReader, name: str) -> None:
    size = 500_000
    content = {
        "brackets.md": b"[" * size,
        "comments.md": b"<!--" * size,
        "stars.md": b"*a " * size,
        "table.md": b"|a" * size + b"\n" + b"|-" * size,
    }[name]
    started_s = time.monotonic()
    try:
        pieces = read(reader, content, name).pieces
        assert max(len(piece.text) for piece in pieces) <= 200 * 10 + 10
    except Rejected as refusal:
        assert any(word in str(refusal) for word in ("reading it", "chunks"))
    assert time.monotonic() - started_s < QUICK.wall_s + 5


def test_the_next_file_is_read_after_a_parser_was_stopped_for_its_time() -> None:
    """The text takes a parser minutes and little memory, so a quick machine is late as well."""
    with SandboxReader("hashing:", Limits(memory_bytes=1 << 30, cpu_s=9, wall_s=1.0)) as slow:
        with pytest.raises(Rejected, match="reading it takes longer than 1 s"):
            read(slow, b"*a " * 1_000_000)
        assert read(slow, b"# Fine\n\nText.").title == "Fine"


def test_computing_too_long_is_told_from_waiting_too_long() -> None:
    with SandboxReader("hashing:", Limits(memory_bytes=1 << 30, cpu_s=1, wall_s=60.0)) as slow:
        with pytest.raises(Rejected, match="more than 1 s of computing"):
            read(slow, b"*a " * 1_000_000)
        assert read(slow, b"# Fine\n\nText.").title == "Fine"


@pytest.mark.parametrize("content", [b"word " * 700_000, b"[](" * 700_000], ids=["python", "rust"])
def test_a_file_that_needs_too_much_memory_is_refused(content: bytes) -> None:
    """Python raises, native code aborts: both are told as what they are."""
    with SandboxReader("hashing:", Limits(memory_bytes=8 << 20, cpu_s=50, wall_s=60.0)) as small:
        with pytest.raises(Rejected, match="reading it takes more than 8 MB of memory"):
            read(small, content)
        assert read(small, b"# Fine\n\nText.").title == "Fine"


def test_a_server_that_died_is_started_again() -> None:
    with SandboxReader("hashing:", QUICK) as reader:
        assert read(reader, b"# One\n\nText.").title == "One"
        server = reader._server
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert read(reader, b"# Two\n\nText.").title == "Two"


def test_closing_does_not_wait_for_a_slow_file_and_leaves_no_process() -> None:
    with SandboxReader("hashing:", Limits(memory_bytes=1 << 30, cpu_s=50, wall_s=60.0)) as slow:
        read(slow, b"# Fine\n\nText.")
        server = slow._server
        assert server is not None
        with ThreadPoolExecutor(1) as others:
            reading = others.submit(read, slow, b"*a " * 1_000_000)
            while not slow._one_at_a_time.locked():
                time.sleep(0.01)
            slow.close()
            with pytest.raises((Rejected, RuntimeError)):
                reading.result()
        assert server.poll() is not None
        with pytest.raises(RuntimeError, match="closed"):
            read(slow, b"# Late")


def test_secrets_do_not_reach_the_process_that_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "very-secret")
    with SandboxReader("hashing:", QUICK) as reader:
        read(reader, b"# One\n\nText.")
        assert reader._server is not None
        with open(f"/proc/{reader._server.pid}/environ", "rb") as environment:
            assert b"very-secret" not in environment.read()
