"""The sample shop's articles, put into a running system through its public API."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from shared import documents
from shared.errors import Unavailable

Document = dict[str, Any]


def read_article(path: Path) -> Document:
    """A Markdown file as the body of `PUT /v1/documents/{id}`; its front matter says the rest."""
    content = path.read_text(encoding="utf-8")
    return {"content": content, "media_type": "text/markdown", "name": path.name}


def version_of(document: Document) -> str:
    """The version that the gateway gives this content."""
    return documents.version_of(document["content"].encode())


def articles(folder: Path) -> Iterator[tuple[str, Document]]:
    """Every article as (document id, body)."""
    for path in sorted(folder.glob("*.md")):
        yield path.stem, read_article(path)


class Knowledge:
    """A tenant's documents, through the gateway."""

    def __init__(self, url: str, admin_key: str, timeout_s: float = 10.0) -> None:
        self._http = httpx.Client(
            base_url=url, headers={"X-Switchboard-Key": admin_key}, timeout=timeout_s
        )

    def listed(self) -> dict[str, Document]:
        """Document id → what the system says about it. Raises Unavailable."""
        rows = self._checked(self._http.get("/v1/documents")).json()
        rows = rows.get("documents", rows) if isinstance(rows, dict) else rows
        return {row["id"]: row for row in rows}

    def put(self, document_id: str, document: Document) -> None:
        """Give or replace one document. Raises Unavailable."""
        self._checked(self._http.put(f"/v1/documents/{document_id}", json=document))

    def remove(self, document_id: str) -> None:
        """Withdraw one document. Raises Unavailable."""
        self._checked(self._http.delete(f"/v1/documents/{document_id}"))

    def _checked(self, response: httpx.Response) -> httpx.Response:
        if response.is_error:
            where = response.request.url.path
            raise Unavailable(f"{where}: {response.status_code} {response.text[:300]}")
        return response

    def wait_indexed(self, wanted: dict[str, str], timeout_s: float) -> Iterator[int]:
        """Yield how many of `wanted` (id → version) are indexed until all are.

        Raises:
            Unavailable: one was rejected, or time is over.
        """
        until = time.monotonic() + timeout_s
        while True:
            have = self.listed()
            states = {
                i: have[i]["state"] for i in wanted if i in have and _same(have[i], wanted[i])
            }
            if rejected := [i for i, state in states.items() if state == "rejected"]:
                raise Unavailable(f"rejected: {rejected}: {have[rejected[0]].get('reason')}")
            done = sum(state == "indexed" for state in states.values())
            yield done
            if done == len(wanted):
                return
            if time.monotonic() > until:
                raise Unavailable(f"only {done} of {len(wanted)} documents are indexed")
            time.sleep(0.5)


def _same(row: Document, version: str) -> bool:
    return bool(row.get("version") == version)


def missing(have: dict[str, Document], folder: Path) -> dict[str, Document]:
    """The articles that are not indexed in the version they have on disk."""
    return {
        name: body
        for name, body in articles(folder)
        if (row := have.get(name, {})).get("state") != "indexed" or not _same(row, version_of(body))
    }
