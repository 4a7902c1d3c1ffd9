"""What a worker counts and measures of itself, for Prometheus and for `streamer status`."""

from streamer.metrics.worker import WorkerMetrics

__all__ = ["WorkerMetrics"]
