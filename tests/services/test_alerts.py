"""A real Prometheus with the alert rules scrapes a worker in which things go wrong, and shows the alerts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
import yaml

from scripts.alerts_page import RULES
from scripts.services import PrometheusServer, UnavailableError
from streamer.health import Health, HealthServer
from streamer.kafka.lane import Lane
from streamer.metrics import WorkerMetrics
from streamer.outcomes import Outcomes
from tests.services.running import until

pytestmark = pytest.mark.services

NIGHT = datetime(2026, 11, 26, 8, tzinfo=UTC).timestamp()
"""Midnight at Palomar."""

NOON = datetime(2026, 11, 26, 20, tzinfo=UTC).timestamp()

LANE = Lane("rubin", "lsst-alerts-v11", 3)


class PrometheusWithRules(PrometheusServer):
    """As deployed, but that it looks each second, and that no alert waits for its time."""

    def _configuration(self) -> dict[str, object]:
        deployed = yaml.safe_load((RULES.parent / "prometheus.yml").read_text())
        for name in ("figures", "alerts"):
            rules = yaml.safe_load((RULES / f"{name}.yml").read_text())
            for group in rules["groups"]:
                for rule in group["rules"]:
                    rule.pop("for", None)
            (self.folder / f"{name}.yml").write_text(yaml.safe_dump(rules))
        configuration = super()._configuration()
        each_second = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        configuration["global"] = deployed["global"] | each_second
        configuration["rule_files"] = [str(self.folder / "*.yml")]
        return configuration


def worker_at(unix_s: float) -> WorkerMetrics:
    return WorkerMetrics(
        deployment="nightly",
        slot="node-1-0",
        host="node-1",
        software="0.1.0",
        model="counting",
        model_version="1",
        bundle_hash="0",
        store="mongodb",
        metrics_url="",
        clock=lambda: unix_s,
    )


@contextmanager
def watched(metrics: WorkerMetrics, health: Health, folder: Path) -> Iterator[PrometheusServer]:
    """A Prometheus that scrapes a worker with these metrics; the test skips where there is none."""
    worker = HealthServer("127.0.0.1", 0, metrics.registry, health)
    worker.start()
    try:
        with PrometheusWithRules(folder, [f"127.0.0.1:{worker.port}"]) as prometheus:
            yield prometheus
    except UnavailableError as error:
        pytest.skip(str(error))
    finally:
        worker.stop()


def firing(prometheus: PrometheusServer) -> dict[str, dict[str, Any]]:
    """The alerts that fire, by name."""
    with urlopen(f"{prometheus.url}/api/v1/alerts", timeout=10) as answer:
        alerts = json.load(answer)["data"]["alerts"]
    return {alert["labels"]["alertname"]: alert for alert in alerts if alert["state"] == "firing"}


def recorded(prometheus: PrometheusServer, figure: str) -> list[dict[str, Any]]:
    with urlopen(f"{prometheus.url}/api/v1/query?query={figure}", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def take(metrics: WorkerMetrics, scored: int, dead: int) -> None:
    outcomes = Outcomes(
        received=scored + dead,
        scored=scored,
        dead_letter=Counter(unknown_schema=dead),
        alerts=Counter(ztf=scored),
        classes=Counter({("ztf", "SN I"): scored}),
    )
    metrics.batch(outcomes, {"decode": 0.01}, 1000, np.full(scored + dead, 0.2))


def healthy(metrics: WorkerMetrics) -> Health:
    health = Health(("models", "store", "assigned"))
    for condition in health.conditions:
        health.ready(condition, True)
    metrics.assigned([LANE])
    return health


def test_what_goes_wrong_in_a_worker_at_night_is_alerted_with_a_link_to_its_page(tmp_path: Path) -> None:
    metrics = worker_at(NIGHT)
    health = healthy(metrics)
    with watched(metrics, health, tmp_path) as prometheus:
        until(lambda: recorded(prometheus, "streamer_alerts_total"), "a first scrape")
        take(metrics, scored=600, dead=0)
        until(lambda: any(row["value"][1] == "1" for row in recorded(prometheus, "streamer:night_active")), "night")
        assert firing(prometheus) == {}

        take(metrics, scored=100, dead=400)
        metrics.parked({LANE: "the registry answers 500"})
        health.ready("store", False)
        expected = {"StreamerDeadLettersNearLimit", "StreamerParked", "StreamerStoreAway", "StreamerNoneReady"}
        until(lambda: expected <= firing(prometheus).keys(), "the alerts")
        parked = firing(prometheus)["StreamerParked"]

        metrics.parked({})
        health.ready("store", True)
        until(lambda: not {"StreamerParked", "StreamerStoreAway"} & firing(prometheus).keys(), "the end of two alerts")
    assert parked["labels"]["severity"] == "page"
    assert parked["annotations"]["description"] == (
        "1 partitions of rubin:lsst-alerts-v11 wait: the registry answers 500"
    )
    assert parked["annotations"]["runbook_url"] == (
        "https://docs.example.org/transient-streamer/runbooks/StreamerParked.html"
    )


def test_the_same_at_noon_wakes_nobody_but_for_what_the_day_does_not_mend(tmp_path: Path) -> None:
    metrics = worker_at(NOON)
    health = healthy(metrics)
    with watched(metrics, health, tmp_path) as prometheus:
        until(lambda: recorded(prometheus, "streamer_alerts_total"), "a first scrape")
        metrics.parked({LANE: "the registry answers 500"})
        health.ready("store", False)
        take(metrics, scored=100, dead=400)
        until(lambda: "StreamerDeadLettersNearLimit" in firing(prometheus), "the alert that does not sleep")
        until(lambda: "StreamerStoreAway" in firing(prometheus), "the ticket")
        pages = {name for name, alert in firing(prometheus).items() if alert["labels"]["severity"] == "page"}
        assert recorded(prometheus, "streamer:night_active")
    assert pages == {"StreamerDeadLettersNearLimit"}
