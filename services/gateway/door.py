"""Who may do what at the door: keys, tokens, addresses, and sizes before anything is parsed."""

import asyncio
import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.rooms import Key
from shared import metrics
from shared.keys import KeyRing
from shared.tokens import conversation_token, matches
from shared.web import Problem

BODY_TIMEOUT_S = 15.0  # for the whole body: slow senders must not hold a connection for ever


@dataclass(frozen=True)
class Door:
    """Checks who knocks."""

    keys: KeyRing
    secret: str

    def token(self, key: Key) -> str:
        """The token of a conversation."""
        return conversation_token(self.secret, *key)

    def opens(self, key: Key, shown: str) -> bool:
        """Whether a token is that conversation's."""
        return bool(shown) and matches(self.token(key), shown)

    def tenant_of_widget(self, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
        """The tenant behind a widget key; an admin key does too. Raises Problem 401."""
        shown = _shown_key(headers) or query.get("key", "")
        tenant = self.keys.tenant_of_widget(shown) or self.keys.tenant_of_admin(shown)
        if tenant is None:
            metrics.REFUSED.labels("key").inc()
            raise Problem(401, "A widget key is needed", "Send it as X-Switchboard-Key.")
        return tenant

    def tenant_of_admin(self, headers: Mapping[str, str]) -> str:
        """The tenant behind an admin key. Raises Problem 401."""
        tenant = self.keys.tenant_of_admin(_shown_key(headers))
        if tenant is None:
            metrics.REFUSED.labels("key").inc()
            raise Problem(
                401, "An admin key is needed", "Send it as X-Switchboard-Key or as a bearer token."
            )
        return tenant

    def reader(self, connection: HTTPConnection, conversation_id: str) -> Key:
        """The conversation, when the caller may read it: by its token, or as agent or admin.

        Raises Problem 401 or 403.
        """
        headers, query = connection.headers, connection.query_params
        shown = _shown_key(headers)
        if tenant := self.keys.tenant_of_admin(shown) or self._tenant_of_agent(headers):
            return tenant, conversation_id
        key = (self.tenant_of_widget(headers, query), conversation_id)
        if not self.opens(key, headers.get("x-switchboard-token") or query.get("token", "")):
            metrics.REFUSED.labels("key").inc()
            raise Problem(
                403,
                "The conversation's token is needed",
                "Send `conversation_token` of its first answer as X-Switchboard-Token.",
            )
        return key

    def _tenant_of_agent(self, headers: Mapping[str, str]) -> str | None:
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            decoded = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
        email, _, password = decoded.partition(":")
        agent = self.keys.agent(email, password)
        return agent.tenant_id if agent else None


def _shown_key(headers: Mapping[str, str]) -> str:
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    return headers.get("x-switchboard-key") or (bearer if scheme.lower() == "bearer" else "")


def address_of(connection: HTTPConnection) -> str:
    """Where a caller comes from, as far as we can tell."""
    return connection.client.host if connection.client else "unknown"


class BodyLimit:
    """Reads a request's body up to a bound before anybody parses it."""

    def __init__(self, app: ASGIApp, limit_of: Callable[[str], int]) -> None:
        self._app = app
        self._limit_of = limit_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                body = await _read(Headers(scope=scope), receive, limit)
        except TimeoutError:
            await Problem(408, "The request took too long").response()(scope, receive, send)
            return
        if body is None:
            metrics.REFUSED.labels("size").inc()
            problem = Problem(413, "The request is too large", f"At most {limit} bytes.")
            await problem.response()(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)


async def _read(headers: Headers, receive: Receive, limit: int) -> bytes | None:
    announced = headers.get("content-length", "0")
    if not announced.isdigit() or int(announced) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            return None
        if not message.get("more_body"):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
