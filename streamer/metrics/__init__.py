"""What workers and sinks count and measure of themselves, for Prometheus and for `streamer status`."""

from streamer.metrics.sink import SinkMetrics
from streamer.metrics.worker import WorkerMetrics

__all__ = ["SinkMetrics", "WorkerMetrics"]
