"""The container set-up, as far as it can be seen without a container engine."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.docker import init
from infra.docker.ready import is_ready
from infra.local.cluster import ROOT
from infra.local.env_example import sections, variable
from shared.identity import port_of
from shared.keys import KeyRing
from shared.service import NAMES
from shared.settings import Settings

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
ONE_SHOT = {"init-keys", "init-knowledge"}
JOBS = {"celery-worker", "celery-beat"}
STORES = {"kafka", "redis", "qdrant", "postgres"}
NO_SHELL = {"otel-collector"}  # its image holds one binary: nothing inside could ask
PINNED = re.compile(r"^[\w./-]+:v?\d+\.\d+(\.\d+)?(-\w+)*$")
STAGES = ("FROM ${PYTHON_IMAGE} AS packages", "FROM ${PYTHON_IMAGE} AS switchboard")


def kubernetes() -> list[dict[str, Any]]:
    """Every object under infra/k8s that kustomize is told about."""
    folder = ROOT / "infra/k8s"
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [o for name in names for o in yaml.safe_load_all((folder / name).read_text())]


WORKLOADS = {
    o["metadata"]["name"]: o for o in kubernetes() if o["kind"] in ("Deployment", "StatefulSet")
}


def test_every_service_is_there_and_started_as_its_own_process() -> None:
    for name in NAMES:
        assert SERVICES[name]["command"] == ["python", "-m", "services", name]
    assert set(SERVICES) >= {*NAMES, *STORES, *ONE_SHOT, *JOBS}


@pytest.mark.parametrize("name", NAMES)
def test_a_services_health_check_asks_its_own_port(name: str) -> None:
    port = str(port_of(name, Settings(base_port=8080)))
    check = SERVICES[name]["healthcheck"]
    assert check["test"] == ["CMD", "python", "infra/docker/ready.py", port]
    assert check["retries"] and check["start_period"]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_whatever_runs_is_checked_restarted_bounded_and_pinned(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) or name in ONE_SHOT
    assert service.get("healthcheck", {}).get("disable", False) == (name in NO_SHELL)
    assert re.fullmatch(r"\d+(m|g)", service["mem_limit"])
    assert service["logging"]["options"] == {"max-size": "10m", "max-file": "3"}
    assert "no-new-privileges:true" in service["security_opt"]
    ours = service["image"] == "${SWITCHBOARD_IMAGE:-switchboard:local}"
    assert ours or PINNED.match(service["image"]), service["image"]


def test_only_gateway_and_dashboard_are_published_and_only_on_this_machine() -> None:
    published = {n: s["ports"] for n, s in SERVICES.items() if "ports" in s}
    assert published.pop("gateway") == ["127.0.0.1:${GATEWAY_PORT:-8080}:8080"]
    assert published.pop("escalation") == ["127.0.0.1:${DASHBOARD_PORT:-8081}:8086"]
    for name, ports in published.items():
        assert SERVICES[name]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in ports)


def test_stores_cannot_reach_the_world_nor_most_services() -> None:
    assert COMPOSE["networks"]["inside"]["internal"] is True
    outside = {n for n, s in SERVICES.items() if "outside" in s["networks"]}
    assert outside - {"prometheus", "grafana", "otel-collector"} == {
        "gateway",
        "escalation",
        "generation",
    }


def test_services_get_addresses_as_settings_that_exist() -> None:
    known = {variable(s, n, f).upper() for s in sections(ROOT) for n, f in s.model_fields.items()}
    standard = {"OTEL_EXPORTER_OTLP_ENDPOINT", "PGPASSFILE"}
    environment = SERVICES["cache"]["environment"]
    assert set(environment) <= known | standard
    assert environment["BUS_URL"] == "kafka://kafka:9092"
    assert environment["KV_URL"] == "redis://redis:6379/0"
    assert environment["VECTORS_URL"] == "http://qdrant:6333"
    assert environment["DATABASE_URL"].startswith("postgresql+asyncpg://switchboard@postgres:5432/")
    assert environment["BIND_HOST"] == "0.0.0.0"
    history = port_of("history", Settings(base_port=8080))
    assert environment["GATEWAY_HISTORY_URL"] == f"http://history:{history}"
    retrieval = port_of("retrieval", Settings(base_port=8080))
    assert environment["GATEWAY_RETRIEVAL_URL"] == f"http://retrieval:{retrieval}"
    in_cluster = dict(
        line.split("=", 1) for line in (ROOT / "infra/k8s/config.env").read_text().splitlines()
    )
    assert set(in_cluster) <= known
    for name in ("GATEWAY_HISTORY_URL", "GATEWAY_RETRIEVAL_URL"):
        assert in_cluster[name] == environment[name]


def test_every_service_waits_for_keys_and_stores() -> None:
    for name in (*NAMES, "celery-worker"):
        waits = SERVICES[name]["depends_on"]
        assert waits["init-keys"] == {"condition": "service_completed_successfully"}
        assert all(waits[store] == {"condition": "service_healthy"} for store in STORES)
    # `up --wait` fails on a finished container that nobody waits for.
    awaited = {n for s in SERVICES.values() for n in s.get("depends_on", {})}
    assert awaited >= ONE_SHOT


def test_every_volume_and_mounted_file_exists() -> None:
    for service in SERVICES.values():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source[0] == "." else source in COMPOSE["volumes"]


@pytest.mark.parametrize(
    "path",
    ["docker-compose.yml", *(str(p.relative_to(ROOT)) for p in (ROOT / "infra/k8s").iterdir())],
)
def test_no_secret_is_written_down(path: str) -> None:
    secret = re.compile(r"^\s*-?\s*\w*(PASSWORD|SECRET|API_KEY|TOKEN)\w*\s*[:=]\s*(?P<v>\S+)", re.I)
    for line in (ROOT / path).read_text().splitlines():
        if found := secret.match(line):
            # A name ending in FILE says where a secret lies; k8s names the object that holds it.
            named = re.search(r"_FILE\b|secretRef|secretName|__FILE", line)
            assert named or found["v"].startswith("${"), line
        assert not re.search(r"://\w+:(?!PASSWORD@)[^@/\s\"']+@", line), line


def test_the_image_is_built_from_hashes_and_runs_as_nobody_special() -> None:
    assert "--require-hashes" in DOCKERFILE and "--hash=sha256:" in _text("requirements/run.txt")
    assert DOCKERFILE.rindex("\nUSER 10001") > DOCKERFILE.rindex("\nRUN ")
    assert all(stage in DOCKERFILE for stage in STAGES)
    assert PINNED.match(DOCKERFILE.split("ARG PYTHON_IMAGE=")[1].split()[0])


def test_what_the_dockerfile_copies_exists_and_is_let_through() -> None:
    ignored = _text("infra/docker/Dockerfile.dockerignore").splitlines()
    allowed = {line[1:] for line in ignored if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(\S+) \S+$", DOCKERFILE, re.M)
    assert len(copied) > 3
    for path in copied:
        assert (ROOT / path).exists(), path
        assert path in allowed, path
    entry = re.search(r'ENTRYPOINT \["sh", "/app/(.+)"\]', DOCKERFILE)
    assert entry and (ROOT / entry[1]).exists()
    for service in SERVICES.values():
        for word in shlex.split(" ".join(map(str, service.get("healthcheck", {}).get("test", [])))):
            assert not word.startswith("infra/") or (ROOT / word).exists()


def test_kubernetes_runs_the_same_processes_on_the_same_ports() -> None:
    assert set(WORKLOADS) == {*NAMES, *JOBS}
    ports = {o["metadata"]["name"]: o["spec"]["ports"][0]["port"] for o in _kind("Service")}
    for name in NAMES:
        container = WORKLOADS[name]["spec"]["template"]["spec"]["containers"][0]
        port = port_of(name, Settings(base_port=8080))
        assert container["args"] == SERVICES[name]["command"]
        assert container["ports"][0]["containerPort"] == port == ports[name]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    for job in JOBS:
        container = WORKLOADS[job]["spec"]["template"]["spec"]["containers"][0]
        assert container["args"][:5] == SERVICES[job]["command"][:5]


def test_kubernetes_scales_what_scales_and_keeps_single_ones_single() -> None:
    scaled = {
        o["spec"]["scaleTargetRef"]["name"]: o["spec"] for o in _kind("HorizontalPodAutoscaler")
    }
    assert set(scaled) == {"gateway", "safety", "cache", "intent", "retrieval", "generation"}
    for name, spec in scaled.items():
        assert spec["scaleTargetRef"]["kind"] == WORKLOADS[name]["kind"]
        assert "replicas" not in WORKLOADS[name]["spec"], "the HPA decides"
        assert name == "gateway" or spec["maxReplicas"] <= 4, "topics have four partitions"
    for name in ("degradation", "celery-beat"):
        assert WORKLOADS[name]["spec"]["replicas"] == 1
        assert WORKLOADS[name]["spec"]["strategy"] == {"type": "Recreate"}
    assert [o["metadata"]["name"] for o in _kind("PodDisruptionBudget")] == ["gateway"]


def test_init_makes_keys_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    init.keys(folder)
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert KeyRing.from_file(folder / "keys.json", "morrow").tenants() == ["morrow"]
    password = before["postgres-password"]
    assert before["pgpass"] == f"*:*:*:switchboard:{password}\n"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes.pop("grafana-password") == 0o640
    assert set(modes.values()) == {0o600}
    assert {"widget_key", "admin_key", "agent"} == set(json.loads(before["keys.json"]))
    init.keys(folder)
    assert before == {path.name: path.read_text() for path in folder.iterdir()}


def test_nothing_listening_is_not_ready(unused_tcp_port: int) -> None:
    assert not is_ready(unused_tcp_port, timeout_s=0.5)


def _text(path: str) -> str:
    return (ROOT / path).read_text()


def _kind(kind: str) -> list[dict[str, Any]]:
    return [o for o in kubernetes() if o["kind"] == kind]
