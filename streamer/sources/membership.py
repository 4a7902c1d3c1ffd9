"""Membership in the deployment's consumer group: which lanes are ours, and the proof of it for a transaction.

The group lives on the home cluster, for topics of every cluster. It fetches nothing: it shares out partitions and keeps
the positions. A topic of the home cluster stands for itself; one of another cluster is stood for by an empty topic of
as many partitions, so that one group, and one transaction, covers both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from streamer.kafka.cluster import Cluster, KafkaFailure, explain

COMMITTED_TIMEOUT_S = 30.0
"""Longest wait for the positions of new partitions: a former owner's transaction may have to run out first [s]."""

HomePartition = tuple[str, int]
"""Topic and partition on the home cluster."""


class Membership:
    """One member of the group. `gained` and `lost` are called from within `poll`, and from nowhere else."""

    def __init__(
        self,
        home: Cluster,
        group: str,
        slot: str,
        session_timeout_s: float,
        gained: Callable[[Mapping[HomePartition, int | None]], None],
        lost: Callable[[Collection[HomePartition]], None],
    ) -> None:
        """`gained` gets new partitions with their positions (None where there is none yet)."""
        self._home = home
        self._gained, self._lost = gained, lost
        self._topics: frozenset[str] = frozenset()
        self.proof: Any = None
        """Group metadata as of the last assignment that `gained` was told of.

        It must not be fresher: a worker that was frozen may be a member again, of a later generation, before it has
        been told that its partitions went through other hands. With the older proof its transaction is refused.
        """
        self._consumer = Consumer(
            home.client(
                group_id=home.group_id(group),
                group_instance_id=slot,
                partition_assignment_strategy="cooperative-sticky",
                session_timeout_ms=round(session_timeout_s * 1000),
                heartbeat_interval_ms=round(session_timeout_s * 1000 / 3),
                enable_auto_commit=False,
                isolation_level="read_committed",  # waits for the end of a former owner's transaction
                topic_metadata_refresh_interval_ms=30_000,
            )
        )

    def subscribe(self, topics: Collection[str]) -> None:
        """Asks for a share of these topics of the home cluster; nothing happens where they are the same as before."""
        if frozenset(topics) == self._topics or not topics:
            return
        self._topics = frozenset(topics)
        self._consumer.subscribe(
            sorted(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def poll(self, timeout_s: float = 0.0) -> None:
        """Takes part in the group's life; must be called every few minutes. KafkaFailure where that is over."""
        message = self._consumer.poll(timeout_s)
        error = message.error() if message is not None else None
        if error is not None and error.fatal():
            raise KafkaFailure(explain(error, self._home))

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign([])  # nothing is fetched here
        held = consumer.committed(list(partitions), timeout=COMMITTED_TIMEOUT_S) if partitions else []
        for partition in held:
            if partition.error is not None:
                raise KafkaException(partition.error)
        self.proof = consumer.consumer_group_metadata()
        self._gained({(at.topic, at.partition): at.offset if at.offset >= 0 else None for at in held})

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_unassign([])
        self._lost([(at.topic, at.partition) for at in partitions])

    def close(self) -> None:
        """Leaves; what was ours stays reserved for this slot until the session times out."""
        self._consumer.close()
