"""The generated documents say what the code says."""

import pytest
import yaml

from services.contracts import read_all, render
from shared.events import ALL_EVENTS, TURN_PATH


@pytest.mark.parametrize("path", list(render()), ids=str)
def test_a_generated_document_is_not_stale(path: object) -> None:
    rendered = {str(p): (p, content) for p, content in render().items()}
    file, content = rendered[str(path)]
    assert file.read_text("utf-8") == content, "run `make docs`"


def test_every_event_of_the_path_has_exactly_one_worker() -> None:
    reads = read_all()
    for event in TURN_PATH:
        workers = {r.service for r in reads if r.contract.consumes is event and r.how == "handlers"}
        main = workers - {"history", "escalation"}
        assert len(main) == 1, (event.__name__, workers)


def test_the_asyncapi_document_describes_every_topic() -> None:
    content = next(c for p, c in render().items() if p.suffix == ".yaml")
    channels = yaml.safe_load(content)["channels"]
    assert {c["address"] for c in channels.values()} == {event.topic for event in ALL_EVENTS}
