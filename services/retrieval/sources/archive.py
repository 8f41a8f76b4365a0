"""A zip of documents. Nothing of it is written to disk, and no header is believed about sizes."""

import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Self

from services.retrieval.reading.front import unix_ms_of
from services.retrieval.sources.ids import document_id_of
from services.retrieval.sources.port import MAX_DOCUMENT_BYTES, Content, Entry, Refused, unique
from shared.documents import MEDIA_TYPES, media_type_of

MAX_ARCHIVE_BYTES = 512 * 1024 * 1024
MAX_DIRECTORY_BYTES = 8 * 1024 * 1024  # the table of contents: some 80,000 names
MAX_UNPACKED_BYTES = 2 * 1024 * 1024 * 1024
MAX_RATIO = 200  # text packs 3 to 20 times
_SMALL_BYTES = 64 * 1024  # below, a high ratio harms nobody
_END = struct.Struct("<4s4H2LH")
_END_SEARCH_BYTES = 65_536 + _END.size
_BAD = (zipfile.BadZipFile, zlib.error, OSError, NotImplementedError, EOFError, ValueError,
        RuntimeError)  # fmt: skip


class ZipSource:
    """The documents in a zip. A context manager: the file stays open while entries are read."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        self._path = path
        self._prefix = prefix
        self._left = MAX_UNPACKED_BYTES
        self._archive: zipfile.ZipFile | None = None
        self.collection = str(path)

    def __enter__(self) -> Self:
        """Opens it. Raises Refused when it is no zip of a sensible size."""
        try:
            _check_directory(self._path)
            self._archive = zipfile.ZipFile(self._path)
        except _BAD as error:
            raise Refused(self._path.name, f"a damaged zip: {error}") from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._archive is not None:
            self._archive.close()

    def entries(self) -> Iterator[Entry | Refused]:
        """By name; folders, hidden files and files of other kinds are left out."""
        return unique(self._found())

    def _found(self) -> Iterator[Entry | Refused]:
        assert self._archive is not None, "use `with`"
        for info in sorted(self._archive.infolist(), key=lambda item: item.filename):
            path = PurePosixPath(info.filename.replace("\\", "/"))
            name = f"{self._path.name}/{path}"
            if reason := _objection(info, path):
                yield Refused(name, reason)
            elif path.suffix.lower() in MEDIA_TYPES and not _is_hidden(path) and not info.is_dir():
                document_id = document_id_of(PurePosixPath(self._prefix) / path)
                yield Entry(document_id, name, partial(self._read, info, name))

    def _read(self, info: zipfile.ZipInfo, name: str) -> Content:
        assert self._archive is not None
        try:
            with self._archive.open(info) as packed:
                data = packed.read(min(MAX_DOCUMENT_BYTES, self._left) + 1)
        except _BAD as error:
            raise Refused(name, f"damaged: {error}") from None
        self._left -= len(data)
        if self._left < 0:
            raise Refused(name, f"the zip unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB")
        if len(data) > MAX_DOCUMENT_BYTES:
            raise Refused(name, f"larger than {MAX_DOCUMENT_BYTES >> 20} MB")
        changed = unix_ms_of("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}".format(*info.date_time))
        return Content(data, media_type_of(info.filename), updated_unix_ms=changed)


def _is_hidden(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts)


def _objection(info: zipfile.ZipInfo, path: PurePosixPath) -> str:
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
        return "its path leads out of the zip"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link"
    if path.suffix.lower() == ".zip":
        return "is a zip inside a zip: add it on its own"
    if info.flag_bits & 1:
        return "is encrypted"
    ratio = info.file_size / max(1, info.compress_size)
    if info.file_size > _SMALL_BYTES and ratio > MAX_RATIO:
        return f"unpacks to {ratio:.0f} times its size, like a zip bomb"
    return ""


def _check_directory(path: Path) -> None:
    """Before anything parses it: the table of contents must have a sensible size."""
    size = path.stat().st_size
    if size > MAX_ARCHIVE_BYTES:
        raise Refused(path.name, f"larger than {MAX_ARCHIVE_BYTES >> 20} MB: unpack it")
    with path.open("rb") as file:
        file.seek(max(0, size - _END_SEARCH_BYTES), os.SEEK_SET)
        tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise zipfile.BadZipFile("its end is missing")
    directory_bytes = _END.unpack_from(tail, at)[5]
    if directory_bytes > MAX_DIRECTORY_BYTES:
        raise Refused(path.name, "holds too many files: split it")
