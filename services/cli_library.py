"""The gateway's document API, as commands use it."""

import re
import time
from collections.abc import Mapping
from typing import Any

import httpx

from services import cli_common as common
from shared.errors import Unavailable

DOCUMENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TRIES = 3
LONGEST_PAUSE_S = 10.0
_BUSY = (429, 503)

Row = dict[str, Any]


class Library:
    """One tenant's documents. Every call raises Unavailable with words for a person."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def catalogue(self, state: str = "") -> Row:
        """Documents, counts, version."""
        query = {"state": state} if state else {}
        try:
            found = self._request("GET", "/v1/documents", params=query).json()
            if isinstance(found["documents"], list):
                return dict(found)
        except (ValueError, KeyError, TypeError):
            pass
        raise Unavailable(f"what answers at {self._http.base_url} is not Switchboard")

    def listed(self) -> dict[str, Row]:
        """Document id → what the system says about it."""
        return {row["id"]: row for row in self.catalogue()["documents"]}

    def put(
        self,
        document_id: str,
        content: bytes,
        media_type: str,
        facts: Mapping[str, str | int],
        patience_s: float,
    ) -> str:
        """Give one document; waits while too many are on their way. Its version."""
        answer = self._request(
            "PUT",
            f"/v1/documents/{document_id}",
            patience_s=patience_s,
            content=content,
            params=dict(facts),
            headers={"Content-Type": media_type},
        )
        return str(answer.json()["version"])

    def document(self, document_id: str) -> Row:
        """One document with its text as Markdown."""
        found: Row = self._request("GET", f"/v1/documents/{document_id}").json()
        return found

    def remove(self, document_id: str) -> None:
        """Withdraw one document."""
        self._request("DELETE", f"/v1/documents/{document_id}")

    def ingestion(self, ingestion_id: str) -> Row:
        """How far an import is."""
        found: Row = self._request("GET", f"/v1/ingestions/{ingestion_id}").json()
        return found

    def coverage(self, days: int) -> Row:
        """The coverage report."""
        found: Row = self._request("GET", "/v1/coverage", params={"days": days}).json()
        return found

    def _request(
        self, method: str, path: str, patience_s: float = 0.0, **more: Any
    ) -> httpx.Response:
        """One call; a gateway that is busy for a moment is asked again."""
        until_s = time.monotonic() + patience_s
        attempt = 0
        while True:
            attempt += 1
            try:
                response = self._http.request(method, path, **more)
            except httpx.HTTPError as error:
                raise common.unreachable(self._http.base_url, error) from None
            if response.status_code not in _BUSY:
                break
            if attempt >= TRIES and time.monotonic() > until_s:
                break
            pause = response.headers.get("retry-after", "1")
            time.sleep(min(LONGEST_PAUSE_S, float(pause) if pause.isdigit() else 1.0))
        return common.checked(response)
