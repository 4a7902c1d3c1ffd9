"""A deployment's topics of scores on a test's Kafka, filled without a worker."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.messages import ContainerEncoder, key_of
from schemas.wire import SCORED_ALERT, scored_alert_records
from streamer.client import ScoredAlerts
from streamer.client.access import cluster_at
from streamer.kafka.topics import Topics, make
from tests import made_up
from tests.services.fixtures import Kafka

CONTAINERS = ContainerEncoder(SCORED_ALERT)


@dataclass
class Stream:
    """A deployment's topics of scores, and what a subscriber says to get at them."""

    kafka: Kafka
    prefix: str

    def publish(self, alert_ids: Sequence[int], survey: str = "ztf", to: str = "scored", **options: Any) -> None:
        self.publish_values(values(alert_ids, survey), to, **options)

    def publish_values(self, rows: list[tuple[bytes | None, bytes | None]], to: str = "scored", **options: Any) -> None:
        self.kafka.produce(f"{self.prefix}.{to}", rows, **options)

    def alerts(self, **question: Any) -> ScoredAlerts:
        return ScoredAlerts(self.kafka.bootstrap, prefix=self.prefix, **question)

    def ids(self, **question: Any) -> list[int]:
        """The alert ids that a subscriber meets until the end, sorted."""
        with self.alerts(until_eos=True, **question) as alerts:
            return sorted(alert.alert_id for alert in alerts)


def values(alert_ids: Sequence[int], survey: str = "ztf", **changes: Any) -> list[tuple[bytes | None, bytes | None]]:
    records = scored_alert_records(made_up.scored(alert_ids, survey=survey, **changes))
    return [(key_of(survey, record["object_id"]), CONTAINERS.encode(record)) for record in records]


def made(kafka: Kafka) -> Stream:
    topics = Topics(f"test-{uuid.uuid4().hex[:8]}")
    plans = {name: topics.plans()[name] for name in (topics.scored, topics.scored_restricted)}
    make(cluster_at(kafka.bootstrap), plans, replication=1)
    return Stream(kafka, topics.prefix)
