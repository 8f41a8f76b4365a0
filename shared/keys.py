"""Who may knock: widget keys, admin keys and agents, per tenant, from one file of mode 0600.

Shape of the file (`make up` writes it on first start):

    {"widget_key": "...", "admin_key": "...", "agent": {"email": "...", "password": "..."},
     "tenants": {"other-tenant": {"widget_key": ..., "admin_key": ..., "agent": {...}}}}

The top level belongs to `DEFAULT_TENANT`; `tenants` is optional, and so is a list `agents` beside
`agent` for the colleagues.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.errors import ConfigurationError
from shared.settings import Settings


@dataclass(frozen=True)
class Agent:
    """A person who answers customers of one tenant."""

    tenant_id: str
    email: str
    password_digest: bytes
    name: str


def _digest(secret: str) -> bytes:
    # Keys are long and random, so a plain hash suffices; it makes look-ups by secret constant-time.
    return hashlib.sha256(secret.encode()).digest()


class KeyRing:
    """Keys of all tenants, held as hashes."""

    def __init__(self, tenants: Mapping[str, Mapping[str, Any]]) -> None:
        self._widgets = {_digest(t["widget_key"]): name for name, t in tenants.items()}
        self._admins = {_digest(t["admin_key"]): name for name, t in tenants.items()}
        self._agents = {
            a["email"].lower(): Agent(
                tenant_id=name,
                email=a["email"].lower(),
                password_digest=_digest(a["password"]),
                name=a.get("name", a["email"].partition("@")[0].title()),
            )
            for name, t in tenants.items()
            for a in (*([t["agent"]] if "agent" in t else []), *t.get("agents", []))
        }

    @classmethod
    def from_file(cls, path: Path, default_tenant: str) -> "KeyRing":
        """Read the file. Raises ConfigurationError naming the file and what is wrong."""
        try:
            content = json.loads(path.read_text())
            others = content.pop("tenants", {})
            return cls({default_tenant: content, **others})
        except FileNotFoundError:
            raise ConfigurationError(f"{path}: no key file; `make up` creates one") from None
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(f"{path}: not a key file ({error!r})") from None

    @classmethod
    def open(cls, settings: Settings) -> "KeyRing":
        """The keys at `KEYS_FILE`; none at all on the memory bus when there is no file."""
        path = settings.keys_path
        if settings.bus_url.startswith("memory:") and not path.exists():
            return cls({})
        return cls.from_file(path, settings.default_tenant)

    def tenant_of_widget(self, key: str) -> str | None:
        """The tenant whose page carries this key."""
        return self._widgets.get(_digest(key))

    def tenant_of_admin(self, key: str) -> str | None:
        """The tenant whose administrator holds this key."""
        return self._admins.get(_digest(key))

    def agent(self, email: str, password: str) -> Agent | None:
        """The agent, when the password is right."""
        found = self._agents.get(email.strip().lower())
        digest = found.password_digest if found else b"\0" * 32
        matches = hmac.compare_digest(digest, _digest(password))
        return found if found and matches else None

    def agent_called(self, email: str) -> Agent | None:
        """The agent with this e-mail, as the file has them now."""
        return self._agents.get(email.strip().lower())

    def tenants(self) -> list[str]:
        """Every tenant's name."""
        return sorted(set(self._widgets.values()))
