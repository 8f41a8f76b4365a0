"""Events to bytes and back, with CloudEvents attributes in the headers.

Source: CloudEvents 1.0.2, Kafka protocol binding, binary content mode (headers `ce_*`).
"""

from datetime import UTC, datetime

from pydantic import ValidationError

from shared.bus.port import Message, Outgoing
from shared.errors import InvalidEvent
from shared.events import ALL_EVENTS, Event

EVENT_BY_TOPIC: dict[str, type[Event]] = {event.topic: event for event in ALL_EVENTS}


def encode(event: Event, *, source: str, headers: dict[str, str] | None = None) -> Outgoing:
    """One event as a message. `source` is the service that made it."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": event.event_id,
        "ce_type": event.topic,
        "ce_source": f"/switchboard/{source}",
        "ce_time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "content-type": "application/json",
    }
    value = event.model_dump_json(exclude_defaults=True).encode()
    return Outgoing(event.topic, event.key, value, {**attributes, **(headers or {})})


def decode(message: Message) -> Event:
    """The event in a message. Raises InvalidEvent, which never quotes the bytes."""
    event_type = EVENT_BY_TOPIC.get(message.topic)
    if event_type is None:
        raise InvalidEvent(f"no event lives on topic {message.topic}")
    try:
        return event_type.model_validate_json(message.value)
    except ValidationError as error:
        fields = ", ".join(f"{_path(item['loc'])}: {item['type']}" for item in error.errors()[:5])
        raise InvalidEvent(f"not a {event_type.__name__}: {fields}") from None


def _path(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "body"
