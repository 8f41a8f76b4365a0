"""Tokens that need no table: an HMAC proves that we made them.

Source: RFC 2104 (HMAC) with SHA-256; the purpose is part of what is signed, so that a token of one
kind is never one of another.
"""

import base64
import hashlib
import hmac


def _sign(secret: str, *parts: str) -> str:
    message = b"\0".join(part.encode() for part in ("switchboard.v1", *parts))
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def conversation_token(secret: str, tenant_id: str, conversation_id: str) -> str:
    """What the browser that began a conversation shows to read it again."""
    return _sign(secret, "conversation", tenant_id, conversation_id)


def internal_token(secret: str) -> str:
    """What one service shows another over HTTP, in `X-Switchboard-Internal`."""
    return _sign(secret, "internal")


def matches(expected: str, shown: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(expected.encode(), shown.encode())
