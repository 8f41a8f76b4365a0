"""What one file may cost. Beyond it, the file is rejected with the bound it broke."""

from dataclasses import dataclass

MAX_PAGES = 1_000  # of a PDF: a long manual; 10,000 pages are an archive
MAX_NESTING = 500  # tags inside tags; hand-written pages stay below 50
MAX_ROWS = 5_000  # of a CSV
MAX_UNPACKED_BYTES = 64 * 1024 * 1024  # of a DOCX, which is a zip
MAX_MARKDOWN_CHARACTERS = 4_000_000  # a thousand pages
MAX_FRONT_MATTER_CHARACTERS = 16_384
MAX_ANSWER_BYTES = 32 * 1024 * 1024  # pieces as JSON, from the child to the worker


class Rejected(ValueError):
    """A document that cannot be used; the text says why, for its author."""


@dataclass(frozen=True)
class Limits:
    """Bounds that the kernel and a clock enforce on the child that reads a file."""

    memory_bytes: int = 512 * 1024 * 1024  # beyond what the server had before the fork
    cpu_s: int = 60
    wall_s: float = 90.0
