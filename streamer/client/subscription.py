"""Messages of our topics, from where to where a subscriber wants them, and how far the subscriber has come."""

from __future__ import annotations

import logging
from collections.abc import Collection

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.packet import Coordinates
from streamer.kafka.cluster import Cluster, KafkaFailure, Unreachable, explain
from streamer.kafka.offsets import LATEST_MS, Partition, offsets_at, partitions_of
from streamer.logs import about

log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for one answer of the cluster at the start and when partitions are shared out [s]."""

TURN_S = 0.2
"""Longest wait for a message before it is seen whether partitions were shared out anew [s]."""

SESSION_TIMEOUT_MS = 10_000
"""So long after its last sign the partitions of a subscriber that died go to others of its group [ms]."""

SUBSCRIBER_PAUSE_MS = 24 * 3_600_000
"""A subscriber may think so long about one alert without losing its partitions [ms]."""

HOPELESS = {
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError._AUTHENTICATION,
}
"""Errors that no waiting mends; of the others, the client recovers by itself."""


class Subscription:
    """Read-committed messages of some topics, one after another.

    With a group it goes on where the group stopped, shares the partitions with the group's other members, and commits
    what `done_with` was told, within a second and at `close`. Without one it reads all partitions and leaves no trace.
    `begin_ms` (see `beginning_ms`) holds where there is no position. With `until_end` it ends where the topics ended
    when it was made.
    """

    def __init__(
        self, cluster: Cluster, topics: Collection[str], group: str | None, begin_ms: int, until_end: bool
    ) -> None:
        """KafkaFailure where the cluster cannot be reached or lacks a topic."""
        self._cluster, self._begin_ms = cluster, begin_ms
        partitions = partitions_of(cluster, topics)
        self._consumer = Consumer(
            cluster.client(
                group_id=cluster.group_id(group or "no-group"),
                enable_auto_commit=group is not None,
                auto_commit_interval_ms=1_000,
                enable_auto_offset_store=False,
                auto_offset_reset="earliest",  # of a position that has expired
                isolation_level="read_committed",
                enable_partition_eof=True,  # an end may lie behind messages that are none: marks of transactions
                session_timeout_ms=SESSION_TIMEOUT_MS,
                max_poll_interval_ms=SUBSCRIBER_PAUSE_MS,
                queued_max_messages_kbytes=16 * 1024,
                fetch_wait_max_ms=100,
            )
        )
        self._end = offsets_at(self._consumer, cluster, partitions, LATEST_MS) if until_end else {}
        self._unread: set[Partition] | None = None
        """Our partitions that are not read to their end; None until we have any."""
        self._assigned: list[TopicPartition] | None = None
        """What the group gave us and is not begun."""
        self._is_waiting = False
        if group is None:
            self._assign(self._consumer, _at(offsets_at(self._consumer, cluster, partitions, begin_ms)))
        else:
            self._consumer.subscribe(
                list(topics), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
            )

    @property
    def has_ended(self) -> bool:
        """Whether all is read that was there at the start."""
        return bool(self._end) and self._unread is not None and not self._unread

    def next_message(self, timeout_s: float) -> Message | None:
        """The next message; None when the time is over, a turn of 0.2 s too, or an end is met.

        KafkaFailure where no waiting helps.
        """
        message = self._consumer.poll(min(timeout_s, TURN_S))
        if self._assigned is not None:
            self._begin(self._assigned)
        if message is None:
            return None
        error, partition = message.error(), (message.topic() or "", message.partition() or 0)
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                self._read_to_end(partition)
            else:
                self._check_hope(error)
            return None
        end, offset = self._end.get(partition), message.offset() or 0
        if end is not None and offset + 1 >= end:
            self._read_to_end(partition)
            if offset >= end:
                return None
        return message

    def done_with(self, message: Message) -> None:
        """Says that the subscriber needs this message no more."""
        try:
            self._consumer.store_offsets(message)
        except KafkaException as error:  # the partition went to another member, who gets the message once more
            where, at = coordinates(message), self.place(message)
            log.debug("the position behind %s is not ours any more: %s", where, error, extra=about(at))

    def place(self, message: Message) -> Coordinates:
        """Where a message of this subscription lies."""
        number, offset = message.partition(), message.offset()
        return Coordinates(self._cluster.name, message.topic() or "", number or 0, offset or 0)

    def close(self) -> None:
        """Commits the last position and lets go."""
        self._consumer.close()

    def _read_to_end(self, partition: Partition) -> None:
        if self._end and self._unread is not None:
            self._unread.discard(partition)
            self._consumer.pause([TopicPartition(*partition)])

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign([])  # nothing is fetched before the positions are known
        self._assigned, self._unread = partitions, None

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.unassign()
        self._assigned = None

    def _begin(self, partitions: list[TopicPartition]) -> None:
        """Goes on where the group stopped; where the cluster does not say, the next message's turn asks again."""
        try:
            held = _sound(self._consumer.committed(partitions, timeout=ANSWER_TIMEOUT_S)) if partitions else []
            new = [(at.topic, at.partition) for at in held if at.offset < 0]
            begun = _at(offsets_at(self._consumer, self._cluster, new, self._begin_ms))
            if begun:  # a restart goes on here, though nothing was handed out
                _sound(self._consumer.commit(offsets=begun, asynchronous=False) or [])
        except KafkaException as failed:
            self._check_hope(failed.args[0])
            self._wait(explain(failed.args[0], self._cluster))
        except Unreachable as away:
            self._wait(str(away))
        else:
            self._assign(self._consumer, [at for at in held if at.offset >= 0] + begun)
            self._assigned, self._is_waiting = None, False

    def _check_hope(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in HOPELESS:
            raise KafkaFailure(explain(error, self._cluster))

    def _wait(self, why: str) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            log.warning("waiting: %s", why, extra=about(like=why))

    def _assign(self, consumer: Consumer, positions: list[TopicPartition]) -> None:
        consumer.assign(positions)
        ends = {(at.topic, at.partition): self._end.get((at.topic, at.partition), 0) for at in positions}
        self._unread = {partition for partition, end in ends.items() if end}
        for at in positions:
            if self._end and at.offset >= ends[at.topic, at.partition]:
                self._read_to_end((at.topic, at.partition))


def coordinates(message: Message) -> str:
    """Where a message lies, for people."""
    return f"{message.topic()}, partition {message.partition()}, offset {message.offset()}"


def _sound(answers: list[TopicPartition]) -> list[TopicPartition]:
    """The answers, if none of them is an error; the cluster gives one for each partition."""
    for at in answers:
        if at.error is not None:
            raise KafkaException(at.error)
    return answers


def _at(offsets: dict[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, number, offset) for (topic, number), offset in offsets.items()]
