"""HTTP for pages that somebody listed: bounded, polite, and never into a private network.

An address is checked after the name is resolved and then connected to as it is, so that no second
answer of a name server can lead elsewhere. httpcore alone: it follows no redirect by itself.
"""

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit
from urllib.robotparser import RobotFileParser

import httpcore

from services.retrieval.sources.port import Refused

USER_AGENT = "Switchboard-Knowledge/1"
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0  # between two pieces
PAGE_TIMEOUT_S = 30.0  # for the whole of a page, redirects included
ROBOTS_BYTES = 512 * 1024
MAX_REDIRECTS = 3
MAX_PAUSE_S = 5.0  # of a robots.txt that asks for more
_REDIRECTS = (301, 302, 303, 307, 308)
_OK = 200


@dataclass(frozen=True)
class Fetched:
    """A page as it came."""

    data: bytes
    media_type: str
    url: str  # after redirects


class _GuardedBackend(httpcore.SyncBackend):
    """Connects to public addresses only."""

    def __init__(self, allow_private: bool) -> None:
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} has no address") from error
        address = str(found[0][4][0])
        if not self._allow_private and not all(is_public(str(item[4][0])) for item in found):
            raise PermissionError(f"{host} is at a private address ({address})")
        return super().connect_tcp(address, port, timeout, local_address, socket_options)


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    return ip.is_global and not ip.is_multicast and (inner is None or inner.is_global)


class Fetcher:
    """Pages of one site. A context manager; one page at a time, with a pause between them."""

    def __init__(self, *, allow_private: bool = False, pause_s: float = 0.1) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            network_backend=_GuardedBackend(allow_private),
            max_connections=2,
        )
        self._pause_s = pause_s
        self._robots: dict[str, RobotFileParser] = {}
        self._next_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.close()

    def page(self, url: str, max_bytes: int) -> Fetched:
        """A page, if its site's robots.txt lets us. Raises Refused."""
        rules = self._rules(url)
        if not rules.can_fetch(USER_AGENT, url):
            raise Refused(url, "the site's robots.txt does not allow it")
        asked_s = float(rules.crawl_delay(USER_AGENT) or 0)
        time.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = time.monotonic() + min(MAX_PAUSE_S, max(self._pause_s, asked_s))
        return self.get(url, max_bytes)

    def get(self, url: str, max_bytes: int) -> Fetched:
        """What a URL leads to, on the same host. Raises Refused."""
        until_s = time.monotonic() + PAGE_TIMEOUT_S
        at = url
        for _ in range(MAX_REDIRECTS + 1):
            found = self._once(url, at, max_bytes, until_s)
            if isinstance(found, Fetched):
                return found
            at = urljoin(at, found)
            if host_of(at) != host_of(url):
                raise Refused(url, f"leads to another host, {host_of(at) or at}")
        raise Refused(url, f"more than {MAX_REDIRECTS} redirects")

    def _once(self, url: str, at: str, max_bytes: int, until_s: float) -> Fetched | str:
        if urlsplit(at).scheme not in ("http", "https"):
            raise Refused(url, "is not an http or https address")
        headers = [("User-Agent", USER_AGENT), ("Accept-Encoding", "identity")]
        timeout = {"connect": CONNECT_TIMEOUT_S, "read": READ_TIMEOUT_S,
                   "write": READ_TIMEOUT_S, "pool": CONNECT_TIMEOUT_S}  # fmt: skip
        try:
            with self._pool.stream(
                "GET", at, headers=headers, extensions={"timeout": timeout}
            ) as r:
                given = {name.lower(): value.decode("latin-1") for name, value in r.headers}
                if r.status in _REDIRECTS and b"location" in given:
                    return given[b"location"]
                if r.status != _OK:
                    raise Refused(url, f"the site answers {r.status}")
                data = _bounded(r.iter_stream(), url, max_bytes, until_s)
        except PermissionError as error:
            raise Refused(url, str(error)) from None
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError,
                httpcore.UnsupportedProtocol, OSError, ValueError) as error:  # fmt: skip
            raise Refused(
                url, f"cannot be fetched: {type(error).__name__} {error}".strip()
            ) from None
        if given.get(b"content-encoding", "identity") != "identity":
            raise Refused(url, "is packed although that was not asked for")
        kind = given.get(b"content-type", "").partition(";")[0].strip().lower()
        return Fetched(data, kind, at)

    def _rules(self, url: str) -> RobotFileParser:
        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            rules = RobotFileParser()
            try:
                text = self.get(f"{site}/robots.txt", ROBOTS_BYTES).data.decode(errors="replace")
            except Refused:
                text = ""  # no rules, or a page that will say by itself why it cannot be had
            rules.parse(text.splitlines())
            self._robots[site] = rules
        return self._robots[site]


def _bounded(pieces: Iterable[bytes], url: str, max_bytes: int, until_s: float) -> bytes:
    taken: list[bytes] = []
    size = 0
    for piece in pieces:
        taken.append(piece)
        size += len(piece)
        if size > max_bytes:
            raise Refused(url, f"larger than {max_bytes / (1 << 20):.1f} MB")
        if time.monotonic() > until_s:
            raise Refused(url, f"takes longer than {PAGE_TIMEOUT_S:.0f} s")
    return b"".join(taken)


def host_of(url: str) -> str:
    """Host and port, in lower case."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2].lower()
