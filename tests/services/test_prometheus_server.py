"""The Prometheus that the tests start scrapes what it was told to."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from scripts.services import PrometheusServer
from scripts.services.process import free_port


def test_a_figure_of_a_scraped_process_can_be_asked_for(prometheus: Callable[[list[str]], PrometheusServer]) -> None:
    figures = CollectorRegistry()
    Gauge("answer", "A figure.", registry=figures).set(42)
    target, thread = start_http_server(port := free_port(), "127.0.0.1", registry=figures)
    try:
        server = prometheus([f"127.0.0.1:{port}"])
        found = [row["value"][1] for row in ask(server, "answer")]
        up = [row["metric"]["instance"] for row in ask(server, "up == 1")]
    finally:
        target.shutdown()
        target.server_close()
        thread.join()
    assert found == ["42"]
    assert up == [f"127.0.0.1:{port}"]


def ask(server: PrometheusServer, query: str) -> list[dict[str, Any]]:
    """The first answer to the query that is not empty, waited for as long as a few scrapes take."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with urlopen(f"{server.url}/api/v1/query?{urlencode({'query': query})}", timeout=10) as done:
            found: list[dict[str, Any]] = json.load(done)["data"]["result"]
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing was scraped within 30 s: {query}")
