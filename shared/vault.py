"""Encryption at rest for what must not lie about in the clear: raw dead letters, personal data."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from shared.errors import InvalidEvent


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
