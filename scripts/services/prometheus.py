"""Prometheus, scraping the workers and sinks of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from scripts.services.process import Server
from scripts.services.programs import program


class PrometheusServer(Server):
    """Prometheus that scrapes workers (`targets`) and sinks, each `host:port`, every `scrape_interval_s` seconds."""

    name = "Prometheus"
    ready_line = "Server is ready to receive web requests"

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        port: int | None = None,
        *,
        sinks: Sequence[str] = (),
        scrape_interval_s: int = 1,
    ) -> None:
        super().__init__(folder, port)
        self.targets, self.sinks = list(targets), list(sinks)
        self.scrape_interval_s = scrape_interval_s

    @property
    def url(self) -> str:
        """Its web page, and the base of its API."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Prometheus over a configuration written anew."""
        path = self.folder / "prometheus.yaml"
        path.write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        return [
            *(program("prometheus"), f"--config.file={path}", f"--storage.tsdb.path={self.folder / 'data'}"),
            f"--web.listen-address=127.0.0.1:{self.port}",
        ]

    def _configuration(self) -> dict[str, object]:
        interval = f"{self.scrape_interval_s}s"
        jobs = {"streamer": self.targets, "streamer-sinks": self.sinks}  # as deploy/prometheus names them
        return {
            "global": {"scrape_interval": interval, "scrape_timeout": interval},
            "scrape_configs": [
                {"job_name": name, "static_configs": [{"targets": targets}]} for name, targets in jobs.items()
            ],
        }
