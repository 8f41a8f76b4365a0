"""What goes over a socket or an event stream: frames of clients read, frames for them made."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.gateway.schemas import ChatAnswer
from shared.events import (
    AgentReplied,
    Answered,
    CaseOpened,
    Escalated,
    OwnerChanged,
    PresenceNoticed,
)

Frame = dict[str, Any]
"""What a client sees. Numbered frames have an `id`; `seq` is added when they are stored."""


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
    """The customer has seen everything up to now; `seq` is the last frame they have."""

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


def answer_frame(answer: ChatAnswer, kind: str = "answer") -> Frame:
    """The final frame of a turn. `kind` tells a deadline's text from the answer that follows it."""
    return {"type": "answer", "id": f"{answer.turn_id}:{kind}", **answer.model_dump()}


def answer_frames(answer: ChatAnswer, kind: str = "answer") -> list[Frame]:
    """Citations first, then the answer with everything in it."""
    citations = [
        {
            "type": "citation",
            "id": f"{answer.turn_id}:citation:{number}",
            "turn_id": answer.turn_id,
            "index": number,
            **citation.model_dump(),
        }
        for number, citation in enumerate(answer.citations, start=1)
    ]
    return [*citations, answer_frame(answer, kind)]


def delta_frame(event: Answered) -> Frame:
    """One checked sentence of an answer that is still being written."""
    return {
        "type": "delta",
        "id": f"{event.turn_id}:delta:{event.part}",
        "turn_id": event.turn_id,
        "part": event.part,
        "text": event.text,
    }


def escalated_frame(event: Escalated) -> Frame:
    """A person will take this."""
    return {
        "type": "escalated",
        "id": f"{event.turn_id}:escalated",
        "turn_id": event.turn_id,
        "reason": event.reason,
        "rule": event.rule,
    }


def case_frame(event: CaseOpened) -> Frame:
    """Where the customer stands in the queue."""
    return {
        "type": "escalated",
        "id": f"{event.turn_id}:case",
        "turn_id": event.turn_id,
        "case_id": event.case_id,
        "queue_position": event.queue_position,
    }


def agent_frame(event: AgentReplied) -> Frame:
    """What an agent said."""
    return {
        "type": "agent_message",
        "id": event.event_id,
        "message_id": event.message_id,
        "agent_name": event.agent_name,
        "text": event.text,
        "sent_unix_ms": event.sent_unix_ms,
    }


def agent_typing_frame(event: PresenceNoticed) -> Frame:
    """An agent is writing. Not numbered: it is worth something now or never."""
    return {"type": "typing", "who": "agent", "agent_name": event.agent_name}


def owner_frame(event: OwnerChanged, is_agent: bool) -> Frame:
    """Who speaks from now on."""
    return {
        "type": "owner",
        "id": event.event_id,
        "owner": "agent" if is_agent else "bot",
        "agent_name": event.agent_name if is_agent else "",
    }


def repeated_ack(conversation_id: str, turn_id: str, client_id: str) -> Frame:
    """A message that came again: it is being, or has been, answered."""
    return {
        "type": "ack",
        "turn_id": turn_id,
        "conversation_id": conversation_id,
        "client_id": client_id,
        "repeated": True,
    }


def stored_frame(message: Mapping[str, Any]) -> Frame:
    """A stored message as a frame of its own kind: it has no number any more."""
    return {"type": "message", "stored": True, **message}
