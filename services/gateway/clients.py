"""Other services' read APIs that the gateway opens to customers and admins."""

from typing import Any

import httpx

from services.gateway.rooms import Key
from shared.errors import Transient, Unavailable
from shared.tokens import internal_token


class _Client:
    """JSON of one service, with the token that services show each other."""

    def __init__(self, service: str, base_url: str, secret: str, timeout_s: float) -> None:
        self._service = service
        headers = {"X-Switchboard-Internal": internal_token(secret)}
        self._client = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout_s)

    async def _get(self, path: str, **query: str | int) -> dict[str, Any] | None:
        """The answer; None for 404. Raises Unavailable, Transient."""
        try:
            response = await self._client.get(path, params=query)
        except httpx.HTTPError as error:
            problem = f"{self._service} did not answer: {type(error).__name__}"
            raise Unavailable(problem) from error
        if response.status_code == 404:
            return None
        if response.status_code != 200:
            raise Transient(f"{self._service} answered {response.status_code}")
        found: dict[str, Any] = response.json()
        return found

    async def close(self) -> None:
        """Let go of connections."""
        await self._client.aclose()


class HistoryClient(_Client):
    """Stored conversations and the coverage report, from the history service."""

    def __init__(self, base_url: str, secret: str, timeout_s: float) -> None:
        super().__init__("history", base_url, secret, timeout_s)

    async def conversation(self, key: Key, *, export: bool = False) -> dict[str, Any] | None:
        """A stored conversation; None when history has none. Raises Unavailable."""
        path = f"/v1/conversations/{key[1]}" + ("/export" if export else "")
        return await self._get(path, tenant=key[0])

    async def coverage(self, tenant_id: str, days: int) -> dict[str, Any]:
        """What was asked in the last `days` and not answered. Raises Unavailable."""
        found = await self._get("/v1/coverage", tenant=tenant_id, days=days)
        if found is None:
            raise Transient("history does not know of coverage reports")
        return found


class LibraryClient(_Client):
    """Documents as they are searched, from the retrieval service."""

    def __init__(self, base_url: str, secret: str, timeout_s: float) -> None:
        super().__init__("retrieval", base_url, secret, timeout_s)

    async def document(self, tenant_id: str, document_id: str) -> dict[str, Any] | None:
        """A document; None when it is not indexed. Raises Unavailable."""
        return await self._get(f"/v1/documents/{document_id}", tenant=tenant_id)
