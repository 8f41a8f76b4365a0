"""Documents from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli_knowledge import document_id_of
from tests.services.cli_gateway import Gateway, door, listening, run


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    """A gateway that listens."""
    with listening() as found:
        yield found


def knowledge_folder(tmp_path: Path) -> Path:
    """Good and bad documents."""
    folder = tmp_path / "kb"
    (folder / "eu" / ".git").mkdir(parents=True)
    (folder / "returns.md").write_text("---\ntitle: Returns\n---\n\n# Returns\n\n30 days.\n")
    (folder / "eu" / "duty free.html").write_text("<p>No duty.</p>")
    (folder / "eu" / ".git" / "hidden.md").write_text("no")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "latin.txt").write_bytes("Straße".encode("latin-1"))
    (folder / "yaml.md").write_text("---\na: [\n---\n\ntext")
    (folder / "huge.txt").write_text("x" * 2000)
    (folder / "empty.txt").write_text(" ")
    return folder


def test_knowledge_add_names_each_failure_and_goes_on(gateway: Gateway, tmp_path: Path) -> None:
    folder = knowledge_folder(tmp_path)
    gateway.busy = 1
    done = run("knowledge", "add", folder, tmp_path / "nothing", *door(gateway))
    assert done.exit_code == 1
    assert done.stdout == "2 indexed, 0 unchanged, 5 failed\n"
    for reason in (
        "latin.txt: not UTF-8 text",
        "yaml.md: the front matter",
        "huge.txt: The document is too large: At most 1000 bytes. (HTTP 413)",
        "empty.txt: rejected: empty",
        "nothing: no such file or folder",
    ):
        assert reason in done.stderr
    assert set(gateway.documents) == {"returns", "eu-duty-free", "empty"}
    assert gateway.documents["returns"]["title"] == "Returns"


def test_knowledge_add_leaves_what_is_indexed_alone(gateway: Gateway, tmp_path: Path) -> None:
    path = tmp_path / "returns.md"
    path.write_text("# Returns\n\n30 days.\n")
    assert run("knowledge", "add", path, *door(gateway)).stdout.startswith("1 indexed")
    again = run("knowledge", "add", path, *door(gateway))
    assert again.exit_code == 0 and again.stdout == "0 indexed, 1 unchanged, 0 failed\n"
    assert gateway.puts == 1


def test_two_files_do_not_fight_for_one_id(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A\n")
    (tmp_path / "a.txt").write_text("A")
    done = run("knowledge", "add", tmp_path, *door(gateway))
    assert done.exit_code == 1 and "has the same id, a, as" in done.stderr
    assert gateway.puts == 1


def test_knowledge_status_and_remove(gateway: Gateway) -> None:
    gateway.put("returns", {"content": "30 days", "title": "Returns"})
    assert "1 documents: 1 indexed" in run("knowledge", "status", *door(gateway)).stdout
    listing = json.loads(run("knowledge", "status", "--json", *door(gateway)).stdout)
    assert [row["id"] for row in listing["documents"]] == ["returns"]
    done = run("knowledge", "remove", "returns", "nothing", "../agents", *door(gateway))
    assert done.exit_code == 1 and done.stdout == "1 removed, 2 failed\n"
    assert "nothing: No such document" in done.stderr and "not a document id" in done.stderr


def test_document_ids_suit_the_api() -> None:
    assert document_id_of(Path("returns/in the EU.md")) == "returns-in-the-EU"
    assert document_id_of(Path("v1.2-notes")) == "v1.2-notes"
    assert len(document_id_of(Path("x" * 300 + ".md"))) == 128
