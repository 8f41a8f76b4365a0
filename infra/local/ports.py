"""Is a port free, and if not, who has it?"""

import socket
from collections.abc import Mapping

import psutil

from shared.errors import ConfigurationError

SETTING_OF = {
    "kafka": "KAFKA_PORT",
    "kafka controller": "KAFKA_CONTROLLER_PORT",
    "redis": "REDIS_PORT",
}


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(host: str, port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def owner(port: int) -> str:
    """`pid 123: command` of whoever listens on `port`."""
    try:
        listeners = [
            connection.pid
            for connection in psutil.net_connections(kind="tcp")
            if connection.status == psutil.CONN_LISTEN
            and connection.laddr
            and connection.laddr[1] == port
        ]
    except psutil.AccessDenied:
        listeners = []
    for pid in listeners:
        if pid is None:
            continue
        try:
            command = " ".join(psutil.Process(pid).cmdline()) or psutil.Process(pid).name()
        except psutil.Error:
            continue
        return f"pid {pid}: {command[:120]}"
    return "another user's process (run `make doctor` as root to see it)"


def check_free(ports: Mapping[str, tuple[str, int]]) -> None:
    """Raises ConfigurationError naming every taken port, who has it and which setting moves it."""
    taken = [
        f"port {port} ({name}) is taken by {owner(port)}\n"
        f"  set {SETTING_OF.get(name, 'BASE_PORT')} in .env to another port, or stop that process"
        for name, (host, port) in ports.items()
        if not is_free(host, port)
    ]
    if taken:
        raise ConfigurationError("\n".join(taken))
