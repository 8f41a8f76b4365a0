"""A process killed in the middle of an ingestion: the next one goes on where it was."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.vectors import open_vectors
from tests.services.retrieval.ingesting import TENANT

DOCUMENTS = 40
SECTIONS = 6
PLACES_OF_DEATH = (1, 13, 27)  # documents embedded by then


def ingesting(*arguments: object) -> subprocess.Popen[str]:
    module = "tests.services.retrieval.ingesting"
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def embedded_until_killed(process: subprocess.Popen[str], kill_after: int) -> list[str]:
    """Documents the process embedded; it is killed with SIGKILL after so many (0: never)."""
    found = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            found.append(line.strip())
            if len(found) == kill_after:
                process.kill()
    return found


@pytest.mark.live
def test_a_killed_ingestion_goes_on_where_it_was(tmp_path: Path, redis_url: str) -> None:
    folder, index = tmp_path / "documents", tmp_path / "index"
    folder.mkdir()
    for number in range(DOCUMENTS):
        sections = (
            f"## Part {part}\n\n{'word ' * 25}{number} {part}\n" for part in range(SECTIONS)
        )
        (folder / f"d{number:02}.md").write_text(f"# Title {number}\n\n" + "\n".join(sections))
    runs = [
        embedded_until_killed(ingesting(folder, index, redis_url), kill_after)
        for kill_after in (*PLACES_OF_DEATH, 0)
    ]
    assert {name for run in runs for name in run} == {f"d{n:02}" for n in range(DOCUMENTS)}
    # What was done stays done: at most the documents at hand when it died are embedded again.
    assert sum(map(len, runs)) <= DOCUMENTS + 3 * len(PLACES_OF_DEATH)
    assert embedded_until_killed(ingesting(folder, index, redis_url), 0) == []
    store = open_vectors(f"edge:{index}")
    try:
        assert len(store.versions(TENANT)) == DOCUMENTS
        for number in range(DOCUMENTS):
            chunks = store.chunks_of(TENANT, f"d{number:02}")
            assert [chunk.headings[-1] for chunk in chunks] == [
                f"Part {n}" for n in range(SECTIONS)
            ]
    finally:
        store.close()
