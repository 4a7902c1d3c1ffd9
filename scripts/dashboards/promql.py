"""Queries of the panels, made of the metrics that are defined: a name that does not exist cannot be written.

Each asks for the processes that are chosen at the top of the dashboard alone (`$instance`).
"""

from __future__ import annotations

from typing import Any

from prometheus_client.utils import floatToGoString

from streamer.metrics.definitions import BUILD, Definition
from streamer.metrics.histogram import BatchHistogram

CHOSEN = 'instance=~"$instance"'
"""The processes of the deployment that are looked at."""

NOW = "$__rate_interval"
"""A window that is as short as the scrapes and the zoom allow."""

SHOWN = "$__range"
"""The whole time that is shown: the night so far, as a dashboard opens."""

PROCESS_CPU, PROCESS_MEMORY, PROCESS_START = (
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
)
"""What Prometheus's client library shows of every process."""


def series(metric: Definition[Any] | str, labels: str = "", part: str = "") -> str:
    """A metric, or `part` of a histogram (`_bucket`, `_sum`, `_count`), where `labels` hold."""
    name = metric if isinstance(metric, str) else metric.name
    return f"{name}{part}{{{', '.join(filter(None, (CHOSEN, labels)))}}}"


def total(expression: str, by: str = "") -> str:
    """The sum, by labels."""
    return f"sum by ({by}) ({expression})" if by else f"sum({expression})"


def rate(metric: Definition[Any], by: str = "", labels: str = "", part: str = "", window: str = NOW) -> str:
    """How much a second, over `window`."""
    return total(f"rate({series(metric, labels, part)}[{window}])", by)


def gained(metric: Definition[Any], by: str = "", labels: str = "", part: str = "", window: str = SHOWN) -> str:
    """How many in `window`."""
    return total(f"increase({series(metric, labels, part)}[{window}])", by)


def mean(metric: Definition[BatchHistogram], by: str = "", labels: str = "", window: str = NOW) -> str:
    """The mean of a histogram's values."""
    return f"{rate(metric, by, labels, '_sum', window)} / {rate(metric, by, labels, '_count', window)}"


def quantile(
    fraction: float, metric: Definition[BatchHistogram], by: str = "", labels: str = "", window: str = NOW
) -> str:
    """A quantile of a histogram's values, as finely as its buckets tell."""
    buckets = rate(metric, ", ".join(filter(None, (by, "le"))), labels, "_bucket", window)
    return f"histogram_quantile({fraction}, {buckets})"


def at_most(
    metric: Definition[BatchHistogram], bound: float, by: str = "", labels: str = "", window: str = SHOWN
) -> str:
    """How many values of a histogram came in `window` that are at most `bound`, one of its buckets' bounds."""
    if bound not in metric.buckets:
        raise ValueError(f"{metric.name} has no bucket up to {bound}")
    edge = floatToGoString(bound)  # type: ignore[no-untyped-call]
    return gained(metric, by, ", ".join(filter(None, (labels, f'le="{edge}"'))), "_bucket", window)


def share(part: str, whole: str) -> str:
    """A part of a whole, 0 to 1; nothing where the whole is nothing."""
    return f"{part} / {whole}"


def of_all(part: str, whole: str) -> str:
    """Parts by some label, as shares of one sum."""
    return f"{part} / scalar({whole})"


def named(expression: str) -> str:
    """Series of a process with the name of its slot: that of a worker within the deployment, or a sink's kind."""
    return f"{expression} * on (instance) group_left (slot) {series(BUILD)}"
