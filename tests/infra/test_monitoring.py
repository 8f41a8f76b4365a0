"""Scraping, alerts and the dashboard speak of metrics that exist, and the manual of all alerts."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from infra.local.cluster import ROOT
from services.degradation.core import LADDER
from shared.identity import port_of
from shared.service import NAMES
from shared.settings import Settings

MANUAL = (ROOT / "docs/operations.md").read_text()
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "infra/prometheus/alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((ROOT / "infra/grafana/dashboards/switchboard.json").read_text())
SCRAPED = yaml.safe_load((ROOT / "infra/prometheus/prometheus.yml").read_text())["scrape_configs"]
COLLECTOR = yaml.safe_load((ROOT / "infra/otel/collector.yaml").read_text())


def existing() -> dict[str, set[str]]:
    """Series name → its labels, read from the source of shared/metrics.py."""
    source = (ROOT / "shared/metrics.py").read_text()
    found: dict[str, set[str]] = {}
    pattern = r'(Counter|Gauge|Histogram)\(\s*"(\w+)",\s*"[^"]*",?\s*(\[[^\]]*\])?'
    for kind, name, labels in re.findall(pattern, source):
        names = set(re.findall(r'"(\w+)"', labels)) | {"job", "instance"}
        if kind == "Histogram":
            found |= {f"{name}_bucket": names | {"le"}, f"{name}_sum": names}
            found[f"{name}_count"] = names
        else:
            found[name] = names
    return found


def expressions() -> Iterator[str]:
    """Every PromQL text of alerts and dashboard."""
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    yield from (note["expr"] for note in DASHBOARD["annotations"]["list"])


def test_the_source_is_read_completely() -> None:
    source = (ROOT / "shared/metrics.py").read_text()
    assert {
        n.removesuffix("_bucket") for n in existing() if not n.endswith(("_sum", "_count"))
    } == (set(re.findall(r'"(switchboard_\w+)"', source)))


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_an_expression_uses_metrics_and_labels_that_exist(expression: str) -> None:
    known = existing()
    used = re.findall(r"(switchboard_\w+)(?:\{([^}]*)\})?", expression)
    others = re.findall(r"\b(up|process_resident_memory_bytes)\b", expression)
    assert used or others
    for name, selector in used:
        assert name in known, name
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector)) <= known[name]
    allowed = set[str]().union(*(known[name] for name, _ in used), {"job", "instance"})
    for grouping in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in grouping.split(",")} <= allowed


def test_every_alert_is_explained_and_nothing_else_is() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", MANUAL.split("## Alerts")[1], re.M)
    assert explained == [rule["alert"] for rule in ALERTS]
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert rule["annotations"]["summary"]


def test_every_mode_is_explained_in_the_order_of_the_ladder() -> None:
    table = MANUAL.split("## Modes")[1].split("## Force a mode")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.M) == list(LADDER)


def test_alerts_speak_of_modes_that_exist() -> None:
    for rule in ALERTS:
        for modes in re.findall(r'mode(?:=~|!=|=)"([^"]+)"', rule["expr"]):
            assert set(modes.split("|")) <= set(LADDER)


def test_every_service_is_scraped_on_its_port() -> None:
    jobs = {job["job_name"]: job for job in SCRAPED}
    for name in NAMES:
        (found,) = jobs[name]["dns_sd_configs"]
        assert (found["names"], found["port"]) == ([name], port_of(name, Settings(base_port=8080)))
    (gone,) = [rule for rule in ALERTS if rule["alert"] == "ServiceGone"]
    assert set(re.findall(r'job=~"([^"]+)"', gone["expr"])[0].split("|")) == set(NAMES)


def test_dashboard_panels_have_a_place_of_their_own() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    assert len({(p["x"], p["y"]) for p in places}) == len(places)
    assert all(p["x"] + p["w"] <= 24 for p in places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_the_collectors_pipelines_are_made_of_parts_that_are_configured() -> None:
    have = {kind: set(COLLECTOR[kind]) for kind in ("receivers", "processors", "exporters")}
    both = set(COLLECTOR["connectors"])
    for pipeline in COLLECTOR["service"]["pipelines"].values():
        assert set(pipeline["receivers"]) <= have["receivers"] | both
        assert set(pipeline.get("processors", [])) <= have["processors"]
        assert set(pipeline["exporters"]) <= have["exporters"] | both
