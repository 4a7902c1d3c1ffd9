"""What goes wrong inside a client that mends it by itself."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaError

from streamer.kafka.cluster import Cluster, explain
from streamer.kafka.lane import Lane
from streamer.logs import about

log = logging.getLogger(__name__)


class Troubles:
    """Says each kind of trouble once, until it is over: librdkafka tries again for ever, and reports every try."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._said: set[tuple[int, Lane | None]] = set()

    def hear(self, error: KafkaError, lane: Lane | None = None) -> None:
        """Takes one report; `lane` is what it is about, where that is less than the cluster."""
        kind = error.code(), lane
        if kind not in self._said:
            self._said.add(kind)
            log.warning("%s%s", "" if lane is None else f"{lane}: ", explain(error, self._cluster), extra=about(lane))

    def over(self) -> None:
        """All goes well again: what comes now is news."""
        self._said.clear()
