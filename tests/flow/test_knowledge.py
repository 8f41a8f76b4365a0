"""Documents from the API to the index and back, on the memory bus."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from shared.process import http_app
from shared.tokens import internal_token
from tests.flow.cluster import ADMIN, Cluster, eventually, running_cluster, settings_for
from tests.services.retrieval.reading import files

pytestmark = pytest.mark.asyncio(loop_scope="module")
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    settings = settings_for(tmp_path_factory.mktemp("knowledge"), embedder_url="hashing:")
    async with running_cluster(settings, []) as running:
        yield running


async def put(
    cluster: Cluster, name: str, content: bytes, kind: str, ingestion: str, **facts: str
) -> None:
    response = await cluster.gateway.put(
        f"/v1/documents/{name}",
        content=content,
        params={"name": f"{name}.file", "ingestion_id": ingestion, **facts},
        headers={**ADMIN, "Content-Type": kind},
    )
    assert response.status_code == 202, response.text


async def finished(cluster: Cluster, ingestion: str, total: int) -> dict[str, Any]:
    async def done() -> bool:
        found = (await cluster.gateway.get(f"/v1/ingestions/{ingestion}", headers=ADMIN)).json()
        return bool(found["done"]) and found["total"] == total

    await eventually(done, timeout_s=60)
    response = await cluster.gateway.get(f"/v1/ingestions/{ingestion}", headers=ADMIN)
    found: dict[str, Any] = response.json()
    return found


async def stored(cluster: Cluster, document_id: str) -> dict[str, Any]:
    """A document as retrieval gives it to the gateway."""
    secret = cluster.settings.secret_key.get_secret_value()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(http_app(cluster.hosts["retrieval"])),
        base_url="http://retrieval",
        headers={"X-Switchboard-Internal": internal_token(secret)},
    ) as retrieval:
        path = f"/v1/documents/{document_id}"
        found: dict[str, Any] = (await retrieval.get(path, params={"tenant": "morrow"})).json()
        return found


async def test_files_of_every_kind_are_indexed_and_broken_ones_named(cluster: Cluster) -> None:
    page = files.pdf([[(20, "Water tank"), (12, "The tank holds two litres.")]])
    await put(cluster, "tank", page, "application/pdf", "first", product="one")
    word = files.docx(files.paragraph("Two years from the day of sale."), title="Warranty")
    await put(cluster, "warranty", word, DOCX, "first", visibility="agents")
    await put(cluster, "faq", b"question,answer\nHow?,So.\n", "text/csv", "first")
    await put(cluster, "locked", files.encrypted_pdf(), "application/octet-stream", "first")
    found = await finished(cluster, "first", 4)
    assert found["counts"] == {
        "submitted": 0, "prepared": 0, "indexed": 3, "unchanged": 0, "rejected": 1, "removed": 0
    }  # fmt: skip
    reason = "the PDF is encrypted: save it without a password"
    assert found["rejected"] == [{"id": "locked", "name": "locked.file", "reason": reason}]
    listed = (await cluster.gateway.get("/v1/documents", headers=ADMIN)).json()
    assert listed["counts"] == {"pending": 0, "indexed": 3, "rejected": 1}
    rows = {row["id"]: row for row in listed["documents"]}
    assert (rows["tank"]["title"], rows["tank"]["product"]) == ("Water tank", "one")
    assert (rows["warranty"]["title"], rows["warranty"]["visibility"]) == ("Warranty", "agents")
    only = await cluster.gateway.get("/v1/documents?state=rejected", headers=ADMIN)
    assert [row["id"] for row in only.json()["documents"]] == ["locked"]


async def test_what_did_not_change_is_not_prepared_again(cluster: Cluster) -> None:
    text = b"# Mugs\n\nThe mug holds 300 ml."
    await put(cluster, "mugs", text, "text/markdown", "mugs-1")
    assert (await finished(cluster, "mugs-1", 1))["counts"]["indexed"] == 1
    await put(cluster, "mugs", text, "text/markdown", "mugs-2")
    assert (await finished(cluster, "mugs-2", 1))["counts"]["unchanged"] == 1
    await put(cluster, "mugs", text, "text/markdown", "mugs-3", product="kitchen")
    assert (await finished(cluster, "mugs-3", 1))["counts"]["indexed"] == 1
    await put(cluster, "mugs", text, "text/markdown", "mugs-4", product="kitchen", again="true")
    assert (await finished(cluster, "mugs-4", 1))["counts"]["indexed"] == 1


async def test_a_broken_new_version_leaves_the_old_one_in_place(cluster: Cluster) -> None:
    await put(cluster, "cups", b"# Cups\n\nThe cup holds 90 ml.", "text/markdown", "cups-1")
    await finished(cluster, "cups-1", 1)
    await put(cluster, "cups", files.encrypted_docx(), DOCX, "cups-2")
    await finished(cluster, "cups-2", 1)
    assert "90 ml" in (await stored(cluster, "cups"))["content"]


async def test_a_document_reads_back_as_markdown_that_means_the_same(cluster: Cluster) -> None:
    long = "Rinse the tank with fresh water every single evening. " * 12
    text = (
        f"---\ntitle: Care\nproduct: one\n---\n# Care\n\n## Daily\n\n{long}\n\n### Note\n\n{long}"
    )
    await put(cluster, "care", text.encode(), "text/markdown", "care-1")
    await finished(cluster, "care-1", 1)
    first = await stored(cluster, "care")
    assert first["content"].split() == text.partition("product: one\n---\n")[2].split()
    assert (first["title"], first["product"]) == ("Care", "one")
    await put(cluster, "again", first["content"].encode(), "text/markdown", "care-2")
    await finished(cluster, "care-2", 1)
    second = await stored(cluster, "again")
    assert (second["content"], second["chunks"]) == (first["content"], first["chunks"])


async def test_what_is_not_there_is_said_not_to_be(cluster: Cluster) -> None:
    path = "/v1/ingestions/nothing"
    assert (await cluster.gateway.get(path, headers=ADMIN)).status_code == 404
    assert (await cluster.gateway.get(path)).status_code == 401
    assert (await stored(cluster, "nothing"))["title"] == "No such document"
    for path in ("/v1/documents/cups", "/v1/coverage"):  # nobody listens on a port here
        assert (await cluster.gateway.get(path, headers=ADMIN)).status_code == 503
        assert (await cluster.gateway.get(path)).status_code == 401


async def test_a_request_without_content_or_with_both_is_refused(cluster: Cluster) -> None:
    for body in ({}, {"content": "a", "content_base64": "YQ=="}, {"content_base64": "?"}):
        response = await cluster.gateway.put("/v1/documents/x", json=body, headers=ADMIN)
        assert response.status_code == 422 and "content" in response.text


async def test_a_question_without_a_passage_is_in_the_coverage_report(cluster: Cluster) -> None:
    question = "Which kettle do you recommend for pour-over coffee?"
    await cluster.ask(question)
    secret = cluster.settings.secret_key.get_secret_value()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(http_app(cluster.hosts["history"])),
        base_url="http://history",
        headers={"X-Switchboard-Internal": internal_token(secret)},
    ) as history:

        async def reported() -> bool:
            report = (await history.get("/v1/coverage", params={"tenant": "morrow"})).json()
            return question in [text for gap in report["gaps"] for text in gap["examples"]]

        await eventually(reported)
        report = (await history.get("/v1/coverage", params={"tenant": "morrow"})).json()
    assert "kettle" in report["gaps"][0]["name"]
    assert {"tank", "warranty"} & {row["id"] for row in report["unused"]}
