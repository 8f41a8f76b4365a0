"""What every command shares: where home is, keys, HTTP with errors that people understand."""

import os
import sys
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from typer.core import TyperGroup

from infra.local.credentials import read_keys
from shared.errors import ConfigurationError, SwitchboardError, Unavailable
from shared.settings import Settings, load

ROOT = Path(__file__).resolve().parents[1]
KEY_HEADER = "X-Switchboard-Key"
CONNECT_TIMEOUT_S = 5.0

Url = Annotated[str, typer.Option("--url", help="where the gateway listens")]
Key = Annotated[str, typer.Option("--key", help="default: from var/keys.json")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, and nothing else, on stdout")]
GATEWAY = "http://127.0.0.1:8080"


class Group(TyperGroup):
    """Commands whose expected errors end in one clear line and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SwitchboardError as error:
            complain(str(error))
            raise typer.Exit(1) from None


def notes() -> Console:
    """Progress and remarks: on standard error, so that stdout stays clean."""
    return Console(stderr=True, highlight=False)


def complain(text: str) -> None:
    """One error for a person."""
    notes().print(f"✗ {plain(text)}", style="red", markup=False, soft_wrap=True)


def plain(text: str) -> str:
    """Text that cannot steer the terminal: control characters are shown, not obeyed."""
    return "".join(
        f"\\x{ord(sign):02x}" if unicodedata.category(sign) == "Cc" and sign not in "\n\t" else sign
        for sign in text
    )


def home() -> Settings:
    """Settle in the project's folder, where `.env`, `var/` and models are; the settings there.

    Paths that a user typed must be absolute by then (typer's `resolve_path`).
    """
    os.chdir(ROOT)
    return load(Settings)


def all_cores(settings: Settings) -> int:
    """Threads for a command that has the machine to itself; a service leaves room for others."""
    return max(settings.cpu_threads, os.cpu_count() or 1)


def key_of(kind: str, given: str) -> str:
    """The key typed, or the `widget` or `admin` key of this machine's cluster."""
    if given:
        return given
    settings = home()
    path = settings.keys_file or settings.var_dir / "keys.json"
    try:
        return read_keys(path)[kind]
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; or give one with --key") from None


def client(url: str, key: str, read_timeout_s: float = 20.0) -> httpx.Client:
    """HTTP to the gateway. Raises ConfigurationError."""
    if not key.isascii() or not key.isprintable():
        raise ConfigurationError("--key holds signs that no key has")
    try:
        return httpx.Client(
            base_url=url,
            headers={KEY_HEADER: key},
            timeout=httpx.Timeout(CONNECT_TIMEOUT_S, read=read_timeout_s),
        )
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"--url {url}: {error}") from None


def unreachable(url: object, error: httpx.HTTPError) -> Unavailable:
    """Nobody answered, or not properly."""
    if isinstance(error, httpx.UnsupportedProtocol):
        return Unavailable(f"--url {url}: must begin with http:// or https://")
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return Unavailable(f"nothing answers at {url}; `make up` starts the system")
    return Unavailable(f"{url}: {type(error).__name__}: {error}")


def checked(response: httpx.Response) -> httpx.Response:
    """The response, read, when it is a good one. Raises Unavailable with the problem's words."""
    if response.is_error:
        response.read()
        raise Unavailable(problem_of(response))
    return response


def problem_of(response: httpx.Response) -> str:
    """What an RFC 9457 problem says, or the little that another error does."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not isinstance(body, Mapping) or "title" not in body:
        return f"HTTP {response.status_code} {response.reason_phrase}".strip()
    parts = [str(body["title"]), str(body.get("detail") or "")]
    if "retry-after" in response.headers:
        parts.append(f"Try again in {response.headers['retry-after']} s.")
    said = ": ".join(part for part in parts[:2] if part)
    return " ".join([f"{said} (HTTP {response.status_code})", *parts[2:]])


def say(text: str) -> None:
    """A line of a result on stdout, shown as it is."""
    sys.stdout.write(plain(text) + "\n")
    sys.stdout.flush()
