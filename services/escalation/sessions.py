"""Log-in of agents: a signed cookie, a CSRF token bound to it, and a limit on guessing.

The cookie carries no secret and needs no table. It dies with its time, with the agent's entry in
the key file, and with the agent's password.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from services.escalation.desk import Agent
from shared import keys
from shared.clock import Clock
from shared.errors import Unavailable
from shared.keys import KeyRing
from shared.kv.port import KeyValue

COOKIE = "switchboard_agent"


@dataclass(frozen=True)
class Session:
    """Who is logged in, until when."""

    agent: Agent
    expires_unix_s: int
    nonce: str


class Sessions:
    """Makes and reads session cookies under one secret."""

    def __init__(self, secret: str, ring: KeyRing, clock: Clock, ttl_s: int) -> None:
        self._secret = secret.encode()
        self._ring = ring
        self._clock = clock
        self._ttl_s = ttl_s

    def open(self, found: keys.Agent) -> tuple[str, Session]:
        """A cookie's value for this agent, and the session in it."""
        expires = self._clock.unix_ms() // 1000 + self._ttl_s
        nonce = secrets.token_urlsafe(16)
        claims = {"e": found.email, "x": expires, "n": nonce, "p": self._mark(found)}
        body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode()
        return f"{body}.{self._sign('session', body)}", Session(_agent(found), expires, nonce)

    def read(self, cookie: str) -> Session | None:
        """The session in a cookie; None when forged, expired, or no longer true."""
        body, _, signature = cookie.partition(".")
        if not hmac.compare_digest(self._sign("session", body).encode(), signature.encode()):
            return None
        claims = json.loads(base64.urlsafe_b64decode(body))
        found = self._ring.agent_called(claims["e"])
        if found is None or claims["p"] != self._mark(found):
            return None
        if claims["x"] <= self._clock.unix_ms() // 1000:
            return None
        return Session(_agent(found), claims["x"], claims["n"])

    def csrf(self, session: Session) -> str:
        """What a page of this session shows with every change."""
        return self._sign("csrf", session.nonce)

    def _mark(self, found: keys.Agent) -> str:
        return self._sign("password", found.password_digest.hex())[:16]

    def _sign(self, purpose: str, text: str) -> str:
        message = f"switchboard.agent.{purpose}.v1|{text}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()


def _agent(found: keys.Agent) -> Agent:
    return Agent(found.tenant_id, found.email, found.name)


class LoginLimit:
    """Counts attempts per e-mail and address, across processes while the store is there."""

    CAPACITY = 10_000

    def __init__(self, kv: KeyValue, clock: Clock, attempts: int, pause_s: int) -> None:
        self._kv = kv
        self._clock = clock
        self._attempts = attempts
        self._pause_s = pause_s
        self._own: OrderedDict[str, int] = OrderedDict()  # for when the store is away

    async def admits(self, email: str, address: str) -> bool:
        """Count one attempt; whether it may be made. Counting first leaves no race to win."""
        key = self._key(email, address)
        try:
            count = await self._kv.increment(key, ttl_s=self._pause_s)
        except Unavailable:
            count = self._own[key] = self._own.get(key, 0) + 1
            while len(self._own) > self.CAPACITY:
                self._own.popitem(last=False)
        return count <= self._attempts

    async def clear(self, email: str, address: str) -> None:
        """The right password was given."""
        key = self._key(email, address)
        self._own.pop(key, None)
        try:
            await self._kv.delete(key)
        except Unavailable:
            return

    def _key(self, email: str, address: str) -> str:
        # The window is part of the key, so that the fallback forgets too.
        window = self._clock.unix_ms() // (self._pause_s * 1000)
        who = hashlib.sha256(f"{email.strip().lower()}|{address}".encode()).hexdigest()
        return f"escalation:login:{who}:{window}"
