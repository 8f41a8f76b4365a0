"""A file that people edit while we run: read again when it changes, unless the edit is broken."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from shared.errors import ConfigurationError

log = logging.getLogger(__name__)
T = TypeVar("T")


class ReloadedFile(Generic[T]):
    """The parsed content of a file, as the file is now, or as it was when it was last right."""

    def __init__(self, path: Path, parse: Callable[[str, str], T]) -> None:
        """`parse(content, source)` raises ConfigurationError, here too when the file is wrong."""
        self._path = path
        self._parse = parse
        self._seen_ns = -1
        self._content = self._read()

    def _read(self) -> T:
        try:
            self._seen_ns = self._path.stat().st_mtime_ns
            return self._parse(self._path.read_text("utf-8"), str(self._path))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{self._path}: cannot be read: {error}") from None

    def current(self) -> T:
        """What the file says."""
        try:
            if self._path.stat().st_mtime_ns != self._seen_ns:
                self._content = self._read()
                log.info("%s read again", self._path)
        except (OSError, ConfigurationError) as error:  # logged once an edit: the time is taken
            log.error("the last good version stays in force: %s", error)
        return self._content
