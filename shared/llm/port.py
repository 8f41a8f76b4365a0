"""What the rest of the code knows about a language model: a prompt in, pieces of text out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True)
class Message:
    """One turn of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Request:
    """What to ask, and the bounds of the answer."""

    messages: Sequence[Message]
    max_tokens: int = 150
    temperature: float = 0.3
    stop: tuple[str, ...] = ()
    timeout_s: float = 8.0


@dataclass(frozen=True)
class Piece:
    """A piece of the answer; the last one carries the token counts."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class ChatModel(Protocol):
    """A model as opened by `open_llm(url)`."""

    @property
    def name(self) -> str:
        """The model's own name, for metrics and provenance."""
        ...

    def stream(self, request: Request) -> AsyncIterator[Piece]:
        """The answer as it comes.

        Raises:
            Unavailable: no connection, or the server failed.
            Overloaded: the server says so (429, 503).
            Transient: not finished within `request.timeout_s`.
        """
        ...

    async def ping(self) -> bool:
        """Whether the server answers; cheap, no tokens."""
        ...

    async def close(self) -> None: ...
