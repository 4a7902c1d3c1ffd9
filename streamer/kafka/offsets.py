"""Partitions of topics, and the offsets in them that belong to times."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from time import monotonic, sleep

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from streamer.kafka.cluster import Cluster, KafkaFailure, failure, reach

EARLIEST_MS, LATEST_MS = OFFSET_BEGINNING, OFFSET_END
"""What Kafka understands in the place of a time: the first message that is left, and the next one to come."""

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for an answer [s]: it takes milliseconds where all is well."""

SETTLING = (KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION)
"""Errors of partitions that are being made or moved."""

SETTLING_TURN_S = 0.1
"""Such a partition is asked again after this time [s]."""

Partition = tuple[str, int]
"""Topic and number."""


def partitions_of(cluster: Cluster, topics: Collection[str]) -> list[Partition]:
    """The partitions of our own topics. KafkaFailure where one is not there, Unreachable, Refused."""
    known = reach(cluster, ANSWER_TIMEOUT_S).topics
    for topic in topics:
        if topic not in known:
            raise KafkaFailure(
                f"{cluster} has no topic {topic}: is the prefix right? `streamer topics create` makes it"
            )
    return [(topic, number) for topic in topics for number in known[topic].partitions]


def offsets_at(
    consumer: Consumer, cluster: Cluster, partitions: Iterable[Partition], time_ms: int
) -> dict[Partition, int]:
    """The offset of each partition's first message at or after a time: ms since 1970, EARLIEST_MS or LATEST_MS.

    The end where there is no such message; for a read-committed consumer that lies before any open transaction.
    Unreachable, or another KafkaFailure, where the cluster does not say.
    """
    found = _asked(consumer, cluster, [TopicPartition(*partition, time_ms) for partition in partitions])
    later = [TopicPartition(at.topic, at.partition, LATEST_MS) for at in found if at.offset < 0]
    return {(at.topic, at.partition): at.offset for at in [*found, *_asked(consumer, cluster, later)]}


def _asked(consumer: Consumer, cluster: Cluster, times: list[TopicPartition]) -> list[TopicPartition]:
    """Offsets of times that stand in the place of offsets."""
    until = monotonic() + ANSWER_TIMEOUT_S
    while times:
        try:
            found = consumer.offsets_for_times(times, timeout=ANSWER_TIMEOUT_S)
            error = next((at.error for at in found if at.error is not None), None)
        except KafkaException as failed:
            error = failed.args[0]
        if error is None:
            return found
        if error.code() not in SETTLING or monotonic() > until:
            raise failure(error, cluster)
        sleep(SETTLING_TURN_S)
    return []
