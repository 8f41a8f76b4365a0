"""The local cluster, as far as it can be seen without starting it."""

import json
import socket
import threading
from pathlib import Path

import pytest

from infra.local import ports, redis_server, trace
from infra.local.cluster import ROOT, Cluster
from infra.local.credentials import ensure_keys, ensure_secret, secret_of
from infra.local.env_example import render as render_env
from infra.local.environment import digest, satisfied
from infra.local.knowledge import articles, missing, version_of
from infra.local.settings import LocalSettings
from infra.local.status import mode_in
from infra.local.supervisor import Program, count_restarts, render, socket_path
from shared.errors import ConfigurationError
from shared.settings import Settings

TURN = "0b1f1a52-3c1e-4a53-9d0a-1b2c3d4e5f60"


def cluster_in(folder: Path, **local: object) -> Cluster:
    return Cluster(Settings(var_dir=folder), LocalSettings(**local))  # type: ignore[arg-type]


def test_keys_are_readable_by_their_owner_only_and_made_once(tmp_path: Path) -> None:
    path = tmp_path / "var" / "keys.json"
    assert ensure_keys(path)
    first = path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(first)) == {"widget_key", "admin_key", "agent"}
    assert not ensure_keys(path)
    assert path.read_text() == first


def test_a_secret_is_generated_once_and_one_set_by_hand_wins(tmp_path: Path) -> None:
    secret = ensure_secret(tmp_path / "secret.env")
    assert secret_of(tmp_path, "development-only") == secret
    assert secret_of(tmp_path, "mine") == "mine"
    assert (tmp_path / "secret.env").stat().st_mode & 0o777 == 0o600


def test_a_taken_port_is_named_with_its_owner_and_the_setting_that_moves_it() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} \(redis\).*(?s:.*)REDIS_PORT"):
            ports.check_free({"redis": ("127.0.0.1", port)})
    ports.check_free({"redis": ("127.0.0.1", port)})


def test_the_supervisor_file_holds_no_secret_and_escapes_percent_signs(tmp_path: Path) -> None:
    text = render(cluster_in(tmp_path), [Program("redis", ("redis", "50% off"), 20)])
    assert "command=redis '50%% off'" in text
    assert "SECRET_KEY" not in text
    hidden = render(cluster_in(tmp_path), [Program("kafka", ("k",), 10, holds_secrets=False)])
    assert 'environment=SECRET_KEY=""' in hidden


def test_the_control_socket_fits_the_kernel_in_a_deep_folder(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    assert len(str(socket_path(cluster_in(deep)))) < 104


def test_a_broker_elsewhere_is_not_ours_to_start(tmp_path: Path) -> None:
    assert cluster_in(tmp_path, bus_url="kafka+rd://127.0.0.1:9092").owns_broker
    elsewhere = cluster_in(tmp_path, bus_url="kafka://broker.example:9092")
    assert not elsewhere.owns_broker
    assert "kafka" not in elsewhere.ports()


def test_settings_of_the_cluster_win_and_thread_limits_give_way(tmp_path: Path) -> None:
    given = {"BUS_URL": "memory:", "OMP_NUM_THREADS": "2"}
    environment = cluster_in(tmp_path).environment("s", given)
    assert environment["BUS_URL"] == "kafka://127.0.0.1:9092"
    assert environment["OMP_NUM_THREADS"] == "2"


def test_restarts_are_counted_since_the_last_start_of_the_supervisor() -> None:
    log = (
        "WARN exited: cache (…)\nINFO supervisord started with pid 7\n"
        "WARN exited: celery-beat (terminated by SIGKILL; not expected)\n"
    )
    assert count_restarts(log) == {"celery-beat": 1}


def test_a_turn_is_drawn_in_the_order_it_happened(tmp_path: Path) -> None:
    first = {"trace": trace.trace_id(TURN), "service": "safety", "name": "safety.screen",
             "start_ns": 0, "end_ns": 4_000_000, "attributes": {"hop_ms": 4.2}}  # fmt: skip
    second = {**first, "service": "cache", "name": "cache.look_up", "start_ns": 6_000_000,
              "end_ns": 8_000_000}  # fmt: skip
    (tmp_path / "a.jsonl").write_text(f'{json.dumps(second)}\n{{"half a li')
    (tmp_path / "b.jsonl").write_text(json.dumps(first) + "\n")
    spans = list(trace.read_spans(tmp_path))
    path = trace.path_of(spans, trace.latest_trace(spans) or "")
    assert [span.service for span in path] == ["safety", "cache"]
    assert "8.0 ms, 2 steps" in str(trace.draw(path).title)


def test_bars_stay_inside_their_column() -> None:
    assert trace.bar(0.0, 1.0, 10) == "█" * 10
    assert trace.bar(1.0, 0.0, 10) == " " * 9 + "█"


def test_indexed_articles_of_the_same_version_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("---\ntitle: A\nurl: https://a.example\n---\n\n# A\n")
    ((name, body),) = articles(tmp_path)
    assert (body["name"], body["content"][:12]) == ("a.md", "---\ntitle: A")
    assert missing({name: {"state": "indexed", "version": version_of(body)}}, tmp_path) == {}
    assert list(missing({name: {"state": "indexed", "version": "old"}}, tmp_path)) == ["a"]


def test_an_environment_with_the_test_list_serves_for_running_too(tmp_path: Path) -> None:
    stamp = {"list": "test", "sha256": digest(ROOT, "test")}
    (tmp_path / "installed.json").write_text(json.dumps(stamp))
    assert satisfied(ROOT, tmp_path, "local")
    (tmp_path / "installed.json").write_text(json.dumps({**stamp, "sha256": "old"}))
    assert not satisfied(ROOT, tmp_path, "local")


def test_the_mode_in_force_is_read_from_metrics() -> None:
    metrics = 'switchboard_policy_mode{mode="full",service="gateway"} 0.0\n'
    metrics += 'switchboard_policy_mode{mode="no_cache",service="gateway"} 1.0\n'
    assert mode_in(metrics) == "no_cache"


def test_the_example_of_settings_is_fresh() -> None:
    assert (ROOT / ".env.example").read_text() == render_env(ROOT), "run `make docs`"


def test_a_redis_that_still_loads_its_data_does_not_serve_yet() -> None:
    with socket.create_server((redis_server.HOST, 0)) as server:

        def loading() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(b"-LOADING Redis is loading the dataset in memory\r\n")

        thread = threading.Thread(target=loading)
        thread.start()
        assert not redis_server.answers(server.getsockname()[1])
        thread.join()
