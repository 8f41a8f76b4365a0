"""Who a process is: what it is called in reports and groups, and where it can be reached."""

import os
import socket

from shared.service import NAMES
from shared.settings import Settings

_EVERYWHERE = ("", "0.0.0.0", "::")


def port_of(service: str, settings: Settings) -> int:
    """Services listen on consecutive ports, in the order a turn meets them."""
    return settings.base_port + NAMES.index(service) if settings.base_port else 0


def instance_name(service: str, port: int) -> str:
    """A name for this process that no other process has at the same time."""
    return f"{service}-{socket.gethostname()}-{port}-{os.getpid()}"


def is_successor(instance: str, other: str) -> bool:
    """Whether two processes share a place: a port has one listener, so one of them is gone."""
    place, _, _ = instance.rpartition("-")
    return instance != other and other.rpartition("-")[0] == place and not place.endswith("-0")


def address_of(port: int, bind_host: str) -> str:
    """`host:port` where others reach this process; empty when it has no port or no known host."""
    if not port:
        return ""
    if bind_host not in _EVERYWHERE:
        return f"{bind_host}:{port}"
    try:
        return f"{socket.gethostbyname(socket.gethostname())}:{port}"
    except OSError:  # a machine that does not know its own name
        return ""
