"""Events are facts with derived ids, and survive the wire."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.port import Message
from shared.codec import EVENT_BY_TOPIC, decode, encode
from shared.events import ALL_EVENTS, Drafted, Missed, Received, Screened

ENVELOPE = {
    "tenant_id": "t",
    "conversation_id": "c",
    "turn_id": "11111111-2222-4333-8444-555555555555",
    "deadline_unix_ms": 1,
}


def _round_trip(event: Screened) -> object:
    out = encode(event, source="test")
    return decode(Message(out.topic, 0, 0, out.key, out.value, out.headers, 0))


@given(st.text(), st.lists(st.floats(-1, 1, width=32), min_size=3, max_size=3))
def test_an_event_comes_back_from_the_wire_as_it_went(text: str, vector: list[float]) -> None:
    raw = np.asarray(vector, np.float32).tobytes()
    event = Missed(**ENVELOPE, text=text, fingerprint="f", embedding=raw)
    assert _round_trip(event) == event


def test_ids_depend_on_what_happened_and_on_nothing_else() -> None:
    first = Screened(**ENVELOPE, text="a", fingerprint="f")
    again = Screened(**ENVELOPE, text="a", fingerprint="f", timings_ms={"screen": 3})
    assert first.event_id == again.event_id
    assert first.event_id != first.then(Missed).event_id


def test_every_topic_belongs_to_one_event_and_has_a_version() -> None:
    assert len(EVENT_BY_TOPIC) == len(ALL_EVENTS)
    assert all(event.topic.rsplit(".", 1)[1] == "v1" for event in ALL_EVENTS)


def test_only_one_event_holds_raw_text() -> None:
    assert [event for event in ALL_EVENTS if event.raw] == [Received]


def test_parts_of_one_draft_are_events_of_their_own() -> None:
    more = {
        "text": "x",
        "question": "q",
        "route": "faq",
        "intent": "",
        "confidence": 1,
        "tier": "none",
    }
    parts = [Drafted(**ENVELOPE, part=n, **more) for n in range(3)]
    assert len({part.event_id for part in parts}) == 3
