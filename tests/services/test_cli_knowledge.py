"""Documents from the command line."""

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from services.retrieval.reading.front import split_front_matter
from services.retrieval.sources.ids import document_id_of, document_id_of_url
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
    assert done.stdout == "4 indexed, 0 unchanged, 3 failed\n"
    for reason in (
        "huge.txt: The document is too large: At most 1000 bytes. (HTTP 413)",
        "empty.txt: rejected: empty",
        "nothing: no such file or folder",
    ):
        assert reason in done.stderr
    assert set(gateway.documents) == {"returns", "eu-duty-free", "empty", "latin", "yaml"}


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
    gateway.put("returns", b"30 days")
    assert "1 documents: 1 indexed" in run("knowledge", "status", *door(gateway)).stdout
    listing = json.loads(run("knowledge", "status", "--json", *door(gateway)).stdout)
    assert [row["id"] for row in listing["documents"]] == ["returns"]
    done = run("knowledge", "remove", "returns", "nothing", "../agents", *door(gateway))
    assert done.exit_code == 1 and done.stdout == "1 removed, 2 failed\n"
    assert "nothing: No such document" in done.stderr and "not a document id" in done.stderr


def test_document_ids_suit_the_api() -> None:
    assert document_id_of(PurePosixPath("returns/in the EU.md")) == "returns-in-the-EU"
    assert document_id_of(PurePosixPath("v1.2-notes")) == "v1.2-notes"
    long = [document_id_of(PurePosixPath("x" * 300 + end)) for end in ("a.md", "b.md")]
    assert len(set(long)) == 2 and {len(name) for name in long} == {128}
    assert document_id_of_url("https://shop.example/help/a b?lang=en") == "help-a-b-lang-en"
    assert document_id_of_url("https://shop.example/") == "index"


def test_a_synced_folder_takes_documents_away_that_are_gone(
    gateway: Gateway, tmp_path: Path
) -> None:
    for name in ("a", "b", "c", "d"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\nText.")
    gateway.put("by-hand", b"stays")
    assert run("knowledge", "add", tmp_path, *door(gateway)).exit_code == 0
    (tmp_path / "d.md").unlink()
    synced = run("knowledge", "add", tmp_path, "--sync", *door(gateway))
    assert synced.stdout == "0 indexed, 3 unchanged, 0 failed, 1 removed\n"
    assert set(gateway.documents) == {"a", "b", "c", "by-hand"}
    (tmp_path / "b.md").unlink()
    refused = run("knowledge", "add", tmp_path, "--sync", *door(gateway))
    assert refused.exit_code == 1 and "1 of 3 documents are gone" in refused.stderr
    assert "b" in gateway.documents
    forced = run("knowledge", "add", tmp_path, "--sync", "--force", *door(gateway))
    assert forced.exit_code == 0 and set(gateway.documents) == {"a", "c", "by-hand"}


def test_an_export_can_be_added_again(gateway: Gateway, tmp_path: Path) -> None:
    gateway.put("returns", b"# About returns\n\nThirty days.\n")
    for target in (tmp_path / "folder", tmp_path / "all.zip"):
        done = run("knowledge", "export", target, *door(gateway))
        assert done.exit_code == 0 and done.stdout == f"1 documents written to {target}\n"
        again = run("knowledge", "export", target, *door(gateway))
        assert again.exit_code == 1 and "is there already" in again.stderr
        with listening() as other:
            assert run("knowledge", "add", target, *door(other)).stdout.startswith("1 indexed")
            assert other.contents["returns"].endswith("# About returns\n\nThirty days.\n")
            head = split_front_matter(other.contents["returns"]).fields
            assert head == {"title": "About returns", "updated": "2026-11-24T08:00:00+00:00"}


def test_gaps_are_shown_with_what_to_write_about(gateway: Gateway) -> None:
    gateway.coverage = {
        "days": 7, "questions": 10, "answerable_share": 0.7, "total_gaps": 3,
        "gaps": [{"name": "roastery tour", "count": 3, "examples": ["Can I visit you?"]}],
        "unused": [{"id": "old", "title": "Old news"}],
        "disliked": [{"id": "fees", "title": "Fees", "down": 4, "up": 1}],
    }  # fmt: skip
    shown = run("knowledge", "gaps", *door(gateway)).stdout
    for text in ("70% with a relevant passage", "roastery tour", "Can I visit you?", "Old news",
                 "Fees (fees)"):  # fmt: skip
        assert text in shown
    assert json.loads(run("knowledge", "gaps", "--json", *door(gateway)).stdout) == gateway.coverage
