"""Folders, zips and sitemaps are listed in order; what is hostile in them is refused by name."""

import io
import random
import stat
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.retrieval.sources import archive
from services.retrieval.sources.fetch import Fetcher, is_public
from services.retrieval.sources.open import Fetching, open_source
from services.retrieval.sources.port import Entry, Refused

PRIVATE = Fetching(allow_private=True, pause_s=0.0)


def listed(place: object, fetching: Fetching = PRIVATE) -> tuple[dict[str, bytes], dict[str, str]]:
    """What can be read (id → bytes) and what is refused (name → reason)."""
    good: dict[str, bytes] = {}
    bad: dict[str, str] = {}
    with open_source(str(place), fetching) as source:
        for entry in source.entries():
            try:
                if isinstance(entry, Refused):
                    raise entry
                good[entry.id] = entry.read().data
            except Refused as refused:
                bad[refused.name] = refused.reason
    return good, bad


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def test_a_folder_is_read_with_the_zips_in_it_and_without_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "eu" / ".git").mkdir(parents=True)
    (tmp_path / "eu" / "returns.md").write_text("30 days")
    (tmp_path / "eu" / ".git" / "x.md").write_text("hidden")
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    write_zip(tmp_path / "old.zip", {"fees.pdf": b"%PDF-", "sub/tax.txt": b"tax"})
    (tmp_path / "secret.md").symlink_to("/etc/hostname")
    good, bad = listed(tmp_path)
    assert good == {"eu-returns": b"30 days", "old-fees": b"%PDF-", "old-sub-tax": b"tax"}
    assert bad == {"secret.md": "is a link that leads out of the folder"}


def test_a_file_of_any_name_is_taken_and_a_missing_one_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.xyz").write_text("text")
    assert listed(tmp_path / "notes.xyz")[0] == {"notes.xyz": b"text"}
    with pytest.raises(Refused, match="no such file"):
        listed(tmp_path / "nothing")


def test_two_entries_never_share_an_id(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("1")
    (tmp_path / "a.txt").write_text("2")
    good, bad = listed(tmp_path)
    assert (good, bad) == ({"a": b"1"}, {"a.txt": "has the same id, a, as a.md"})


def test_a_zip_gives_the_ids_of_the_folder_it_was(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", {"eu/returns.md": b"a", "__MACOSX/._r.md": b"b"})
    assert listed(path) == ({"eu-returns": b"a"}, {})


def test_hostile_entries_of_a_zip_are_refused_by_name_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    path = write_zip(
        tmp_path / "x.zip",
        {
            "../../etc/cron.md": b"a",
            "/abs.md": b"a",
            "C:\\windows\\x.md": b"a",
            "bomb.txt": b"0" * 4_000_000,
            "inner.zip": b"PK",
            "large.txt": random.Random(1).randbytes(6_000_000),
            "ok.md": b"fine",
        },
    )
    with zipfile.ZipFile(path, "a") as packed:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        packed.writestr(link, "/etc/passwd")
    good, bad = listed(path)
    assert good == {"ok": b"fine"}
    reasons = {name.removeprefix("x.zip/"): reason for name, reason in bad.items()}
    for name in ("../../etc/cron.md", "/abs.md", "C:/windows/x.md"):
        assert reasons[name] == "its path leads out of the zip"
    assert "like a zip bomb" in reasons["bomb.txt"]
    assert "zip inside a zip" in reasons["inner.zip"]
    assert reasons["large.txt"] == "larger than 5 MB"
    assert reasons["link.md"] == "is a link"


def test_a_zip_that_lies_about_sizes_is_read_no_further_than_allowed(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive_file:
        archive_file.writestr("liar.txt", b"0" * 50_000_000)
    raw = packed.getvalue().replace((50_000_000).to_bytes(4, "little"), (90).to_bytes(4, "little"))
    path = tmp_path / "x.zip"
    path.write_bytes(raw)
    good, bad = listed(path)
    assert good == {} or len(good["liar"]) <= 90
    assert bad or good


def test_damaged_encrypted_and_overfull_zips_are_refused(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "x.zip", {"a.md": b"text " * 100}).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[:-30])
    with pytest.raises(Refused, match="damaged"):
        listed(tmp_path / "cut.zip")
    flagged = bytearray(whole)
    flagged[6] |= 1
    flagged[whole.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(bytes(flagged))
    assert listed(tmp_path / "locked.zip")[1] == {"locked.zip/a.md": "is encrypted"}
    end = bytearray(whole)
    at = whole.rindex(b"PK\5\6") + 12
    end[at : at + 4] = (archive.MAX_DIRECTORY_BYTES + 1).to_bytes(4, "little")
    (tmp_path / "full.zip").write_bytes(bytes(end))
    with pytest.raises(Refused, match="too many files"):
        listed(tmp_path / "full.zip")


class Site(BaseHTTPRequestHandler):
    """A help site with good and bad pages."""

    robots = "User-agent: *\nDisallow: /private\n"
    asked: list[str]

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path == "/robots.txt":
            self.reply(200, self.robots.encode(), "text/plain")
        elif self.path == "/moved":
            self.reply(302, b"", "text/html", Location="/returns")
        elif self.path == "/away":
            self.reply(302, b"", "text/html", Location="http://elsewhere.example/x")
        elif self.path == "/loop":
            self.reply(302, b"", "text/html", Location="/loop")
        elif self.path == "/huge":
            self.reply(200, b"x" * 6_000_000, "text/html")
        elif self.path == "/gone":
            self.reply(404, b"", "text/html")
        else:
            self.reply(200, b"<h1>Page</h1>", "text/html; charset=utf-8")

    def reply(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            return  # the reader had enough


@contextmanager
def site() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("OneSite", (Site,), {"asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def sitemap(path: Path, *urls: str) -> Path:
    nodes = "".join(f"<url><loc>{u}</loc><lastmod>2026-02-03</lastmod></url>" for u in urls)
    space = "http://www.sitemaps.org/schemas/sitemap/0.9"
    path.write_text(f'<?xml version="1.0"?><urlset xmlns="{space}">{nodes}</urlset>')
    return path


def test_pages_of_a_sitemap_are_fetched_and_bad_ones_named(tmp_path: Path) -> None:
    with site() as (base, asked):
        pages = ("returns", "moved", "away", "loop", "huge", "gone", "private/x")
        place = sitemap(
            tmp_path / "map.xml", *(f"{base}/{p}" for p in pages), "http://other.example/"
        )
        good, bad = listed(place)
        with open_source(str(place), PRIVATE) as source:
            first = next(iter(source.entries()))
            assert isinstance(first, Entry)
            content = first.read()
    assert good == {"returns": b"<h1>Page</h1>", "moved": b"<h1>Page</h1>"}
    assert (content.source, content.media_type) == (f"{base}/returns", "text/html")
    assert content.updated_unix_ms == 1_770_076_800_000
    reasons = {name.removeprefix(base): reason for name, reason in bad.items()}
    assert "another host" in reasons["/away"] and "redirects" in reasons["/loop"]
    assert "larger than 5.0 MB" in reasons["/huge"] and "answers 404" in reasons["/gone"]
    assert "robots.txt" in reasons["/private/x"]
    assert "like the rest" in reasons["http://other.example/"]
    assert asked.count("/robots.txt") == 2 and not any(p.startswith("/private") for p in asked)


def test_private_addresses_are_not_fetched_unless_allowed(tmp_path: Path) -> None:
    with site() as (base, asked):
        place = sitemap(tmp_path / "map.xml", f"{base}/returns")
        good, bad = listed(place, Fetching())
        assert good == {} and "private address" in bad[f"{base}/returns"]
        assert asked == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "::1", "fe80::1%eth0", "fd00::1",
     "::ffff:10.0.0.1", "0.0.0.0", "224.0.0.1", "100.64.0.1"],
)  # fmt: skip
def test_these_addresses_are_private(address: str) -> None:
    assert not is_public(address)


def test_addresses_of_the_open_internet_are_public() -> None:
    assert is_public("93.184.216.34") and is_public("2606:2800:220:1::1")


def test_files_and_other_schemes_are_not_fetched() -> None:
    with Fetcher(allow_private=True) as fetcher:
        for url in ("file:///etc/passwd", "ftp://a.example/x"):
            with pytest.raises(Refused, match="not an http"):
                fetcher.get(url, 100)


def test_a_sitemap_with_entities_or_without_sense_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xml"
    bomb.write_text('<!DOCTYPE x [<!ENTITY a "aa">]><urlset><url><loc>&a;</loc></url></urlset>')
    with pytest.raises(Refused, match="XML entities"):
        listed(bomb)
    broken = tmp_path / "broken.xml"
    broken.write_text("<urlset><url>")
    with pytest.raises(Refused, match="not readable XML"):
        listed(broken)


def test_a_sitemap_index_leads_to_its_sitemaps(tmp_path: Path) -> None:
    with site() as (base, _):
        index = tmp_path / "index.xml"
        index.write_text(
            f"<sitemapindex><sitemap><loc>{base}/inner.xml</loc></sitemap></sitemapindex>"
        )
        with pytest.raises(Refused, match="is not a sitemap"):
            listed(index)  # the page behind it is HTML
