"""A sitemap: pages of one site, fetched one after the other.

Source: https://www.sitemaps.org/protocol.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from services.retrieval.reading.front import unix_ms_of
from services.retrieval.sources.fetch import Fetcher, host_of
from services.retrieval.sources.ids import document_id_of_url
from services.retrieval.sources.port import (
    MAX_DOCUMENT_BYTES,
    MAX_ENTRIES,
    Content,
    Entry,
    Refused,
    unique,
)

MAX_SITEMAP_BYTES = 10 * 1024 * 1024
MAX_SITEMAPS = 50  # named by an index
_MARKS = (b"<urlset", b"<sitemapindex")
_LOOK_BYTES = 4096


@dataclass(frozen=True)
class _Listed:
    url: str
    updated_unix_ms: int


def is_sitemap(head: bytes) -> bool:
    """Whether a file that begins like this is a sitemap."""
    return any(mark in head[:_LOOK_BYTES] for mark in _MARKS)


class SitemapSource:
    """The pages that a sitemap lists; all of one host, that of the sitemap or of its first page."""

    def __init__(self, place: str, fetcher: Fetcher) -> None:
        self._place = place
        self._fetcher = fetcher
        self._remote = place.startswith(("http://", "https://"))
        self.collection = place

    def entries(self) -> Iterator[Entry | Refused]:
        """In the order listed. Raises Refused when the sitemap itself cannot be read."""
        return unique(self._found())

    def _found(self) -> Iterator[Entry | Refused]:
        host = host_of(self._place) if self._remote else ""
        for listed in self._listed(self._place, self._text(self._place), MAX_SITEMAPS):
            host = host or host_of(listed.url)
            if host_of(listed.url) != host:
                yield Refused(listed.url, f"is not on {host}, like the rest")
            else:
                yield Entry(document_id_of_url(listed.url), listed.url, partial(self._read, listed))

    def _listed(self, place: str, text: bytes, sitemaps_left: int) -> Iterator[_Listed]:
        root = _parsed(place, text)
        pages = [_listed(node) for node in list(root)[: MAX_ENTRIES + 1]]
        if not root.tag.endswith("sitemapindex"):
            yield from (page for page in pages if page.url)
            return
        for page in pages[:sitemaps_left]:
            if self._remote and host_of(page.url) != host_of(self._place):
                continue
            inner = self._fetcher.page(page.url, MAX_SITEMAP_BYTES).data
            yield from self._listed(page.url, inner, 0)

    def _text(self, place: str) -> bytes:
        if self._remote:
            return self._fetcher.page(place, MAX_SITEMAP_BYTES).data
        path = Path(place)
        if path.stat().st_size > MAX_SITEMAP_BYTES:
            raise Refused(place, f"larger than {MAX_SITEMAP_BYTES >> 20} MB")
        return path.read_bytes()

    def _read(self, listed: _Listed) -> Content:
        page = self._fetcher.page(listed.url, MAX_DOCUMENT_BYTES)
        return Content(page.data, page.media_type, page.url, listed.updated_unix_ms)


def _parsed(place: str, text: bytes) -> Element:
    try:
        root: Element = fromstring(text, forbid_dtd=True)
    except DefusedXmlException:
        raise Refused(place, "defines XML entities; a sitemap never does") from None
    except (ParseError, ValueError) as error:
        raise Refused(place, f"is not readable XML: {error}") from None
    if not root.tag.endswith(("urlset", "sitemapindex")):
        raise Refused(place, "is not a sitemap")
    return root


def _listed(node: Element) -> _Listed:
    fields = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in node}
    return _Listed(fields.get("loc", ""), unix_ms_of(fields.get("lastmod", "")))
