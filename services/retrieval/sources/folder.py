"""Files on this machine."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path, PurePosixPath

from services.retrieval.sources.archive import ZipSource
from services.retrieval.sources.ids import document_id_of
from services.retrieval.sources.port import MAX_DOCUMENT_BYTES, Content, Entry, Refused, unique
from shared.documents import MEDIA_TYPES, media_type_of

_ZIP = ".zip"


def read_file(path: Path, name: str) -> Content:
    """A file's bytes. Raises Refused."""
    try:
        status = path.stat()
        if status.st_size > MAX_DOCUMENT_BYTES:
            raise Refused(name, f"larger than {MAX_DOCUMENT_BYTES >> 20} MB")
        data = path.read_bytes()
    except OSError as error:
        raise Refused(name, error.strerror or str(error)) from None
    return Content(data, media_type_of(path.name), updated_unix_ms=int(status.st_mtime * 1000))


class FileSource:
    """One file, whatever its name says it is."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.collection = str(path)

    def entries(self) -> Iterator[Entry | Refused]:
        """The file."""
        name = self._path.name
        document_id = document_id_of(PurePosixPath(name))
        yield from unique(iter([Entry(document_id, name, partial(read_file, self._path, name))]))


class FolderSource:
    """A folder and all below it: files with a known ending, and zips of such files."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder.resolve()
        self._opened = opened
        self.collection = str(folder)

    def entries(self) -> Iterator[Entry | Refused]:
        """By path. Hidden files and folders are left out; links must stay inside."""
        return unique(self._found())

    def _found(self) -> Iterator[Entry | Refused]:
        for path in sorted(self._folder.rglob("*")):
            inside = path.relative_to(self._folder)
            suffix = path.suffix.lower()
            if any(part.startswith(".") for part in inside.parts) or not path.is_file():
                continue
            if suffix not in MEDIA_TYPES and suffix != _ZIP:
                continue
            name = inside.as_posix()
            if not path.resolve().is_relative_to(self._folder):
                yield Refused(name, "is a link that leads out of the folder")
            elif suffix == _ZIP:
                yield from self._archive(path, name)
            else:
                document_id = document_id_of(PurePosixPath(name))
                yield Entry(document_id, name, partial(read_file, path, name))

    def _archive(self, path: Path, name: str) -> Iterator[Entry | Refused]:
        try:
            archive = self._opened.enter_context(ZipSource(path, prefix=name.removesuffix(_ZIP)))
            yield from archive.entries()
        except Refused as refused:
            yield refused
