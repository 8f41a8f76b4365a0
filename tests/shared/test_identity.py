"""Names and addresses of processes."""

from shared.identity import address_of, instance_name, is_successor, port_of
from shared.service import NAMES
from shared.settings import Settings


def test_every_service_has_a_port_and_a_name_of_its_own() -> None:
    settings = Settings(base_port=8080)
    ports = [port_of(name, settings) for name in NAMES]
    assert ports == list(range(8080, 8080 + len(NAMES)))
    assert len({instance_name(name, port) for name, port in zip(NAMES, ports, strict=True)}) == 9


def test_a_successor_has_the_same_place_and_another_process() -> None:
    assert is_successor("cache-my-host-8082-7", "cache-my-host-8082-6")
    assert not is_successor("cache-my-host-8082-7", "cache-my-host-8082-7")
    assert not is_successor("cache-my-host-8082-7", "cache-other-8082-6")
    assert not is_successor("cache-my-host-8082-7", "intent-my-host-8082-6")


def test_processes_on_random_ports_replace_nobody() -> None:
    assert not is_successor("cache-my-host-0-7", "cache-my-host-0-6")


def test_the_address_is_where_others_reach_the_process() -> None:
    assert address_of(8080, "127.0.0.1") == "127.0.0.1:8080"
    assert address_of(0, "127.0.0.1") == ""
    assert address_of(8080, "0.0.0.0") != "0.0.0.0:8080"
