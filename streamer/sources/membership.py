"""Membership in the deployment's consumer group: which lanes are ours, and the proof of it for a transaction.

The group lives on the home cluster, for topics of every cluster. It fetches nothing: it shares out partitions and keeps
the positions. A topic of the home cluster stands for itself; one of another cluster is stood for by an empty topic of
as many partitions, so that one group, and one transaction, covers both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from streamer.kafka.cluster import Cluster, KafkaFailure, explain, open_client
from streamer.kafka.slot import ShutOut
from streamer.kafka.troubles import Troubles

POSITIONS_TIMEOUT_S = 2.0
"""So long one try to read positions waits [s]. A former owner's transaction may have to run out first: then the next
try reads them."""

HEARTBEAT_MAX_S = 3.0
"""Longest time between two signs of life [s]: so soon a worker hears that its place is another's."""

REPLACED = KafkaError(KafkaError.FENCED_INSTANCE_ID).str()
"""Part of the fatal error of a member whose slot another has taken; librdkafka tells it by its text only."""

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
        self._troubles = Troubles(home)
        self._is_closing = False
        self._without_position: set[HomePartition] = set()
        """Partitions that are ours, and whose positions could not be read yet."""
        self._topics: frozenset[str] = frozenset()
        self.proof: Any = None
        """Group metadata as of the last assignment that `gained` was told of.

        It must not be fresher: were a frozen worker a member again, of a later generation, before it has been told that
        its partitions went through other hands, its transaction would be accepted. With the older proof it is refused.
        """
        self._consumer = open_client(
            Consumer,
            home,
            group_id=home.group_id(group),
            group_instance_id=slot,
            partition_assignment_strategy="cooperative-sticky",
            session_timeout_ms=round(session_timeout_s * 1000),
            heartbeat_interval_ms=round(min(session_timeout_s / 3, HEARTBEAT_MAX_S) * 1000),
            enable_auto_commit=False,
            isolation_level="read_committed",  # waits for the end of a former owner's transaction
            topic_metadata_refresh_interval_ms=30_000,
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
        """Takes part in the group's life; must be called every few minutes.

        ShutOut where the group has given this worker's place away, KafkaFailure where the client cannot go on.
        """
        try:
            message = self._consumer.poll(timeout_s)
        except KafkaException as failed:
            self._hear(failed.args[0])
        else:
            if message is not None and (error := message.error()) is not None:
                self._hear(error)
        if self._without_position:
            self._read_positions()

    def _hear(self, error: KafkaError) -> None:
        """Raises what ends this member; the rest is the client's own to mend, and said."""
        if error.code() == KafkaError.FENCED_INSTANCE_ID or REPLACED in error.str():
            raise ShutOut(f"{self._home} has given this worker's place in its group away")
        if error.fatal() or error.code() == KafkaError._FATAL:
            raise KafkaFailure(explain(error, self._home))
        self._troubles.hear(error)

    def _on_assign(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_assign([])  # nothing is fetched here
        if self._is_closing:
            return  # a last assignment, handed out by `close`: the group tells nothing more
        self.proof = consumer.consumer_group_metadata()
        self._without_position.update((at.topic, at.partition) for at in partitions)

    def _read_positions(self) -> None:
        """Tells of new partitions as soon as their positions are known; those that are not stay for the next time."""
        wanted = [TopicPartition(*at) for at in sorted(self._without_position)]
        try:
            held = self._consumer.committed(wanted, timeout=POSITIONS_TIMEOUT_S)
        except KafkaException as failed:
            if failed.args[0].code() != KafkaError._TIMED_OUT:  # it takes its time where a transaction is open
                self._hear(failed.args[0])
            return
        known: dict[HomePartition, int | None] = {}
        for at in held:
            if at.error is None:
                known[at.topic, at.partition] = at.offset if at.offset >= 0 else None
            else:
                self._hear(at.error)
        self._without_position -= known.keys()
        self._troubles.over()
        self._gained(known)

    def _on_revoke(self, consumer: Consumer, partitions: Sequence[TopicPartition]) -> None:
        consumer.incremental_unassign([])
        gone = {(at.topic, at.partition) for at in partitions}
        self._without_position -= gone
        self._lost(gone)

    def close(self) -> None:
        """Leaves; what was ours stays reserved for this slot until the session times out."""
        self._is_closing = True
        with suppress(KafkaException):  # there is nothing to mend any more
            self._consumer.close()
