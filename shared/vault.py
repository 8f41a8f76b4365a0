"""Encryption at rest for what must not lie about in the clear: raw dead letters, personal data."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence

from cryptography.fernet import Fernet, InvalidToken

from shared.errors import InvalidEvent
from shared.kv.port import KeyValue


class Cipher:
    """Authenticated encryption under one secret (Fernet: AES-128-CBC + HMAC-SHA256)."""

    def __init__(self, secret: str) -> None:
        digest = hashlib.sha256(b"switchboard.vault.v1|" + secret.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def encrypt(self, plain: bytes) -> bytes:
        return self._fernet.encrypt(plain)

    def decrypt(self, token: bytes) -> bytes:
        """The plain bytes. Raises InvalidEvent when the secret differs or bytes were changed."""
        try:
            return self._fernet.decrypt(token)
        except InvalidToken:
            raise InvalidEvent("encrypted under another SECRET_KEY, or damaged") from None


class Vault:
    """What placeholders stand for, encrypted: one map a conversation, one field a turn.

    Safety writes it, an agent's dashboard may read one placeholder. Every call raises Unavailable.
    """

    def __init__(self, kv: KeyValue, cipher: Cipher) -> None:
        self._kv = kv
        self._cipher = cipher

    async def keep(
        self,
        tenant_id: str,
        conversation_id: str,
        turn_id: str,
        originals: Mapping[str, str],
        *,
        ttl_s: float,
    ) -> None:
        """Keep a turn's originals by placeholder; the whole conversation's live `ttl_s` more."""
        secret = self._cipher.encrypt(json.dumps(dict(originals)).encode())
        await self._kv.put_field(_key(tenant_id, conversation_id), turn_id, secret, ttl_s=ttl_s)

    async def reveal(
        self, tenant_id: str, conversation_id: str, turn_id: str, placeholder: str
    ) -> Sequence[str]:
        """What a placeholder stands for in a turn; in any turn, each once, when `turn_id` is empty.

        Empty: its time is over. Raises InvalidEvent when it was encrypted under another secret.
        """
        kept = await self._kv.fields(_key(tenant_id, conversation_id))
        turns = [kept[turn_id]] if turn_id in kept else [] if turn_id else list(kept.values())
        found = [json.loads(self._cipher.decrypt(secret)).get(placeholder) for secret in turns]
        return list(dict.fromkeys(original for original in found if original))

    async def forget(self, tenant_id: str, conversation_id: str) -> None:
        """Drop everything of a conversation."""
        await self._kv.delete(_key(tenant_id, conversation_id))


def _key(tenant_id: str, conversation_id: str) -> str:
    return f"vault:{tenant_id}:{conversation_id}"
