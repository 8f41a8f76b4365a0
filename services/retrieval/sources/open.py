"""`open_source(place)`: the source that a path or URL names, by what is there."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.retrieval.sources.archive import ZipSource
from services.retrieval.sources.fetch import Fetcher
from services.retrieval.sources.folder import FileSource, FolderSource
from services.retrieval.sources.port import Refused, Source
from services.retrieval.sources.sitemap import SitemapSource, is_sitemap

_LOOK_BYTES = 4096
_ZIP_MARKS = (b"PK\3\4", b"PK\5\6")


@dataclass(frozen=True)
class Fetching:
    """How pages are fetched."""

    allow_private: bool = False
    pause_s: float = 0.1


@contextmanager
def open_source(place: str, fetching: Fetching) -> Iterator[Source]:
    """The source; files and connections are closed at the end. Raises Refused."""
    with ExitStack() as opened:
        yield _opened(place, fetching, opened)


def _opened(place: str, fetching: Fetching, opened: ExitStack) -> Source:
    if place.startswith(("http://", "https://")):
        return SitemapSource(place, opened.enter_context(_fetcher(fetching)))
    path = Path(place)
    if not path.exists():
        raise Refused(place, "no such file or folder")
    if path.is_dir():
        return FolderSource(path, opened)
    try:
        with path.open("rb") as file:
            head = file.read(_LOOK_BYTES)
    except OSError as error:
        raise Refused(place, error.strerror or str(error)) from None
    if is_sitemap(head):
        return SitemapSource(place, opened.enter_context(_fetcher(fetching)))
    if head.startswith(_ZIP_MARKS) and not _is_office(path, head):
        return opened.enter_context(ZipSource(path))
    return FileSource(path)


def _is_office(path: Path, head: bytes) -> bool:
    return path.suffix.lower() == ".docx" or b"[Content_Types].xml" in head


def _fetcher(fetching: Fetching) -> Fetcher:
    return Fetcher(allow_private=fetching.allow_private, pause_s=fetching.pause_s)
