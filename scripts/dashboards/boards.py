"""All dashboards, in the order in which they are listed."""

from __future__ import annotations

from pathlib import Path

from scripts.dashboards.kafka import KAFKA
from scripts.dashboards.latency import LATENCY
from scripts.dashboards.models import MODELS
from scripts.dashboards.overview import OVERVIEW
from scripts.dashboards.stores import STORES

BOARDS = (OVERVIEW, LATENCY, MODELS, STORES, KAFKA)

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "grafana" / "dashboards"
"""Where they are written."""
