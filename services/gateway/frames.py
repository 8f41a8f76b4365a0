"""Frames that clients send over a socket. Pure: text in, a frame or a reason out."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.gateway.core import Frame


class MessageFrame(BaseModel):
    """A question. With a `client_id` it may be sent again after a drop; it is asked once."""

    type: Literal["message"]
    text: str = Field(min_length=1)
    client_id: str = Field("", max_length=64)


class StopFrame(BaseModel):
    """The rest of a turn is not wanted."""

    type: Literal["stop"]
    turn_id: str = Field(min_length=1, max_length=64)


class TypingFrame(BaseModel):
    """The customer is typing."""

    type: Literal["typing"]


class ReadFrame(BaseModel):
    """The customer has seen everything up to `seq`."""

    type: Literal["read"]
    seq: int = 0


Incoming = MessageFrame | StopFrame | TypingFrame | ReadFrame
_INCOMING: TypeAdapter[Incoming] = TypeAdapter(
    Annotated[Incoming, Field(discriminator="type")], config=ConfigDict(extra="ignore")
)


class BadFrame(Exception):
    """Not a frame; the message says what is wrong without quoting the customer."""


def parse_frame(text: str | bytes) -> Incoming:
    """Read one frame. Raises BadFrame."""
    try:
        return _INCOMING.validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "frame"
        raise BadFrame(f"{place}: {first['msg']}"[:300]) from None


def error_frame(code: str, detail: str, **more: object) -> Frame:
    """Something a client sent could not be done. Not numbered: it is for one client only."""
    return {"type": "error", "code": code, "detail": detail, **more}
