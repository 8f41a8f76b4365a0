"""Questions and evaluation from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli_ask import Shown, events, source_lines, summary
from services.cli_common import plain
from services.cli_eval import lines_of
from shared.errors import Unavailable
from tests.services.cli_gateway import ANSWER, KEY, STREAM, Gateway, door, listening, run


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that listens."""
    with listening() as found:
        yield found


def test_ask_prints_the_answer_once_and_its_sources(gateway: Gateway) -> None:
    done = run("ask", "How long?", "--conversation", "c-1", *door(gateway))
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "Within 30 days. Unused.\n\nSources\n  [1] Return an item · https://morrow.example/r\n"
    )
    assert "knowledge · extractive" in done.stderr and "--conversation c-1" in done.stderr
    assert gateway.asked == [{"message": "How long?", "conversation_id": "c-1"}]


def test_ask_shows_a_final_answer_that_differs_from_its_parts(gateway: Gateway) -> None:
    gateway.frames = [STREAM[1], {"type": "answer", **ANSWER, "answer": "A person will help."}]
    assert run("ask", "How long?", *door(gateway)).stdout.startswith(
        "Within 30 days.\nA person will help.\n"
    )


def test_ask_in_json_prints_nothing_else(gateway: Gateway) -> None:
    done = run("ask", "How long?", "--json", *door(gateway))
    assert json.loads(done.stdout)["answer"] == ANSWER["answer"]


def test_ask_names_what_is_wrong(gateway: Gateway) -> None:
    gateway.frames = STREAM[:2]
    cut = run("ask", "How long?", *door(gateway))
    assert cut.exit_code == 1 and "before the answer came" in cut.stderr
    refused = run("ask", "How long?", "--url", gateway.url, "--key", "wrong")
    assert refused.exit_code == 1 and "An admin key is needed (HTTP 401)" in refused.stderr
    away = run("ask", "How long?", "--url", "http://127.0.0.1:1", "--key", KEY)
    assert away.exit_code == 1 and "`make up` starts the system" in away.stderr
    strange = run("ask", "How long?", "--url", "gopher", "--key", KEY)
    assert strange.exit_code == 1 and "must begin with http" in strange.stderr


def test_event_streams_are_read_as_the_standard_says() -> None:
    lines = [
        ": ping",
        "",
        "event:delta",
        'data: {"text":',
        'data: "a"}',
        "",
        "id: 4",
        "",
        "data: {}",
    ]
    assert list(events(lines)) == [{"type": "delta", "text": "a"}]
    with pytest.raises(Unavailable, match="not Switchboard"):
        list(events(["data: hello", ""]))


def test_a_silent_reader_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Shown(silent=True)
    shown.see(STREAM[1])
    assert capsys.readouterr().out == "" and shown.parts == ["Within 30 days."]


def test_the_summary_tells_a_cached_answer_and_a_mode() -> None:
    answer = {"origin": "cache", "cache": {"hit": True, "similarity": 0.973}, "mode": "no_llm"}
    assert summary(answer) == "cache (0.97 alike) · mode no_llm"
    assert source_lines({"citations": []}) == []


def test_text_cannot_steer_the_terminal() -> None:
    assert plain("a\x1b[2Jb\r\n\tc") == "a\\x1b[2Jb\\x0d\n\tc"


def test_eval_says_which_row_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "a.md").write_text("# A\n")
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"question": "?"}\n')
    done = run("eval", "retrieval", "--kb", tmp_path / "kb", "--queries", queries, "--json")
    assert done.exit_code == 1 and done.stdout == "" and '"query" should be a text' in done.stderr
    missing = run("eval", "intent", "--data", tmp_path / "none.jsonl")
    assert missing.exit_code == 2


def test_eval_retrieval_prints_json_alone(tmp_path: Path) -> None:
    (tmp_path / "kb").mkdir()
    (tmp_path / "kb" / "returns.md").write_text("# Returns\n\nReturn unused items in 30 days.\n")
    (tmp_path / "kb" / "beans.md").write_text("# Beans\n\nWe roast on Mondays.\n")
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"query": "when do you roast", "doc": "beans"}\n')
    done = run("eval", "retrieval", "--kb", tmp_path / "kb", "--queries", queries, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["variants"]["hybrid"]["r@5"] == 1.0


def test_reports_are_readable() -> None:
    text = lines_of({"n": 3, "accuracy": 0.5, "ece": None, "by": {"a": [1.0, 2]}})
    assert text.split() == "n 3 accuracy 0.5000 ece – by a 1.0000, 2".split()


def test_help_needs_no_system() -> None:
    assert "knowledge" in run("--help").stdout
    for command in ("knowledge", "dlq", "eval"):
        assert run(command, "--help").exit_code == 0
