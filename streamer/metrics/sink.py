"""One sink's own figures, on a Prometheus registry of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

from streamer.kafka.offsets import Partition
from streamer.metrics import definitions


class SinkMetrics:
    """Counts and measures one sink. The sink's thread tells, any thread may read `registry`."""

    def __init__(
        self, *, sink: str, deployment: str, host: str, software: str, clock: Callable[[], float] = time.time
    ) -> None:
        """`sink` is the table's kind; it stands for a worker's slot."""
        self.registry = CollectorRegistry()
        self._sink, self._clock = sink, clock
        self._lag: set[Partition] = set()
        # Prometheus sees a restart by itself; these would be a second series for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        ProcessCollector(registry=self.registry)
        messages = definitions.SINK_MESSAGES.made(self.registry)
        self._written, self._unreadable = messages.labels(sink, "written"), messages.labels(sink, "unreadable")
        self._write = definitions.SINK_WRITE.made(self.registry)
        self._waiting = definitions.SINK_WAITING.made(self.registry).labels(sink)
        self._lag_messages = definitions.SINK_LAG.made(self.registry)
        self._last_write = definitions.SINK_LAST_WRITE.made(self.registry)
        self._failures = definitions.FAILURES.made(self.registry)
        self._failures.labels("away")  # from 0 on, so that the first one is a change that Prometheus sees
        self._log_lines = definitions.LOG_LINES.made(self.registry)
        for level in definitions.LOG_LEVELS:
            self._log_lines.labels(level)  # from 0 on
        definitions.BUILD.made(self.registry).labels(deployment, sink, host, software).set(1)

    def written(self, messages: int, unreadable: int, seconds: float) -> None:
        """Counts one committed batch: messages in all, those that became dead letters, and the time it took [s]."""
        self._written.inc(messages - unreadable)
        self._unreadable.inc(unreadable)
        self._write.observe(seconds, self._sink)
        self._last_write.labels(self._sink).set(self._clock())

    def waiting(self, messages: int) -> None:
        """Takes how many messages are read and not yet written."""
        self._waiting.set(messages)

    def lag(self, messages: Mapping[Partition, int]) -> None:
        """Takes how many messages of each partition are published and not yet read; others are no longer shown."""
        for topic, number in self._lag - messages.keys():
            self._lag_messages.remove(self._sink, topic, number)
        for (topic, number), count in messages.items():
            self._lag_messages.labels(self._sink, topic, number).set(count)
        self._lag = set(messages)

    def logged(self, level: str) -> None:
        """Counts a log line of warning and above; `level` is its name in small letters."""
        self._log_lines.labels(level).inc()

    def failed(self, kind: str) -> None:
        """Counts something that went wrong and is waited out."""
        self._failures.labels(kind).inc()
