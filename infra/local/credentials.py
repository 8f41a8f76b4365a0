"""Keys and the secret of a cluster: made once, readable by their owner only."""

import json
import os
import secrets
from pathlib import Path

from shared.errors import ConfigurationError

_SECRET_LINE = "SECRET_KEY="  # noqa: S105  (the name, not the secret)


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Mode at creation, not after it: no moment in which others could read.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)


def ensure_keys(path: Path) -> bool:
    """Create the key file on first start; whether it was created."""
    if path.exists():
        path.chmod(0o600)
        return False
    keys = {
        "widget_key": f"wk_{secrets.token_urlsafe(24)}",
        "admin_key": f"ak_{secrets.token_urlsafe(32)}",
        "agent": {"email": "agent@morrow.example", "password": secrets.token_urlsafe(12)},
    }
    _write_private(path, json.dumps(keys, indent=2) + "\n")
    return True


def ensure_secret(path: Path) -> str:
    """The cluster's SECRET_KEY, created on first start."""
    if not path.exists():
        _write_private(path, f"{_SECRET_LINE}{secrets.token_urlsafe(48)}\n")
    for line in path.read_text().splitlines():
        if line.startswith(_SECRET_LINE):
            return line.removeprefix(_SECRET_LINE)
    raise ConfigurationError(f"{path}: no {_SECRET_LINE} line")


def secret_of(var: Path, configured: str) -> str:
    """A secret set by hand wins over the generated one."""
    return configured if configured != "development-only" else ensure_secret(var / "secret.env")


def read_keys(path: Path) -> dict[str, str]:
    """Widget and admin key. Raises ConfigurationError."""
    try:
        content = json.loads(path.read_text())
        return {"widget": content["widget_key"], "admin": content["admin_key"]}
    except (OSError, ValueError, KeyError):
        raise ConfigurationError(f"{path}: no usable key file; `make up` creates one") from None
