"""What goes wrong inside a client that mends it by itself."""

from __future__ import annotations

import logging

from confluent_kafka import KafkaError

from streamer.kafka.cluster import Cluster, explain

log = logging.getLogger(__name__)


class Troubles:
    """Says each kind of trouble once, until it is over: librdkafka tries again for ever, and reports every try."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._said: set[tuple[int, str]] = set()

    def hear(self, error: KafkaError, about: str = "") -> None:
        """Takes one report; `about` names what it is about, where that is less than the cluster."""
        kind = error.code(), about
        if kind not in self._said:
            self._said.add(kind)
            log.warning("%s%s", f"{about}: " if about else "", explain(error, self._cluster))

    def over(self) -> None:
        """All goes well again: what comes now is news."""
        self._said.clear()
