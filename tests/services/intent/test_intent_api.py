"""The operators' door and `switchboard intents`, against a router that listens."""

import asyncio
import csv
import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn

from services.intent.adapters import Unsure, UnsureLog
from services.intent.api import ApiDeps, build_api
from services.intent.confidences import ConfidenceLog, Look
from services.intent.labels import Label, LabelLog
from services.intent.training.data import read
from shared.clock import ManualClock
from shared.keys import KeyRing
from shared.kv.memory import MemoryKeyValue
from shared.web import install_problems
from tests.services.cli_gateway import run

KEYS = {"shop": {"widget_key": "w", "admin_key": "admin"}}


@dataclass
class Listening:
    """A router's API and the store behind it."""

    url: str = ""
    kv: MemoryKeyValue = field(default_factory=MemoryKeyValue)

    @property
    def unsure(self) -> UnsureLog:
        return UnsureLog(self.kv, ttl_s=60, most=10)

    @property
    def looks(self) -> ConfidenceLog:
        return ConfidenceLog(self.kv, ManualClock())


@pytest.fixture
def router() -> Iterator[Listening]:
    found = Listening()
    deps = ApiDeps(found.unsure, LabelLog(found.kv), found.looks, KeyRing(KEYS))
    api = build_api(deps)
    install_problems(api)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(api, port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    found.url = f"http://127.0.0.1:{port}"
    yield found
    server.should_exit = True
    thread.join()


def command(router: Listening, *arguments: str, key: str = "admin") -> tuple[int, str]:
    done = run("intents", *arguments, "--url", router.url, "--key", key)
    return done.exit_code, done.stdout + done.stderr


def note(router: Listening, *texts: str) -> None:
    async def note_all() -> None:
        for text in texts:
            guessed = Unsure(text, text, "track_order", "faq", 0.4, "c")
            await router.unsure.note("shop", guessed)

    asyncio.run(note_all())


def test_unsure_messages_are_exported_labelled_and_sent_back(
    router: Listening, tmp_path: Path
) -> None:
    note(router, "wher is <EMAIL_1>", '=HYPERLINK("http://x")')
    file = tmp_path / "unsure.csv"
    code, text = command(router, "unsure", str(file))
    assert code == 0 and "2 messages" in text
    with file.open(newline="") as source:
        rows = list(csv.DictReader(source))
    assert [row["text"] for row in rows] == ["wher is <EMAIL_1>", '\'=HYPERLINK("http://x")']
    assert (rows[0]["intent"], rows[0]["guessed_route"]) == ("", "faq")
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys())
        writer.writeheader()
        writer.writerow(rows[0] | {"intent": "order_problem", "route": "knowledge_base"})
    assert command(router, "label", str(file)) == (0, "1 labelled messages taken\n")
    kept = asyncio.run(LabelLog(router.kv).read("shop"))
    assert kept == [Label("wher is <EMAIL_1>", "knowledge_base", "order_problem")]
    assert read(file)[0].route == "knowledge_base"  # and the trainer takes the same file


def test_exported_messages_can_be_cleared(router: Listening, tmp_path: Path) -> None:
    note(router, "hm")
    assert command(router, "unsure", str(tmp_path / "a.csv"), "--clear")[0] == 0
    assert "0 messages" in command(router, "unsure", str(tmp_path / "a.csv"))[1]


def test_the_latest_look_is_shown(router: Listening) -> None:
    assert "no look yet" in command(router, "drift")[1]
    asyncio.run(router.looks.keep(Look("2026-W47", {"shop": 0.3}, 0.9, 10, 1)))
    assert json.loads(command(router, "drift", "--json")[1])["index"] == 0.3
    assert "0.300" in command(router, "drift")[1]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("text,intent,route\nhi,greeting,\n", "no row has a `route`"),
        ("text,intent,route\nhi,greeting,chat\n", "route 'chat' is none of"),
    ],
)
def test_a_file_without_right_labels_is_refused(
    router: Listening, tmp_path: Path, content: str, complaint: str
) -> None:
    file = tmp_path / "labels.csv"
    file.write_text(content)
    code, text = command(router, "label", str(file))
    assert code == 1 and complaint in " ".join(text.split())


def test_without_the_admin_key_nothing_is_shown(router: Listening, tmp_path: Path) -> None:
    for arguments in (("drift",), ("unsure", str(tmp_path / "a.csv"))):
        code, text = command(router, *arguments, key="w")
        assert code == 1 and "admin" in text
