"""Our own topics as a sink reads them: committed messages only, positions committed by hand, one reader a table."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamer.kafka.cluster import Cluster, KafkaFailure, Unreachable, failure, reach
from streamer.kafka.offsets import LATEST_MS, Partition, offsets_at, partitions_of

CALL_S = 5.0
"""Longest wait for an answer of the cluster [s]."""

LONGEST_WRITE_S = 86_400
"""So long a sink may write or join files between two polls before the group gives it up; Kafka allows no more [s]."""

_MOVED = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError._STATE,
    KafkaError._ASSIGNMENT_LOST,
}
"""The group was formed anew: what was read since the last commit comes again."""

_FENCED = {KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED}


class Subscription:
    """A consumer of whole topics with a group of its own.

    `kind` is the member's fixed name: of two sinks of one kind, on any hosts, the later one fences the former, and one
    that was killed goes on at once. KafkaFailure at construction where the cluster refuses or a topic is missing,
    Unreachable where it is away.
    """

    def __init__(self, home: Cluster, topics: Sequence[str], group: str, kind: str, session_timeout_s: float) -> None:
        self._home, self._kind, self._topics = home, kind, list(topics)
        self._expected = set(partitions_of(home, topics))
        self._assigned: list[TopicPartition] | None = None
        """What the group gave us and is not begun."""
        self._committed: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        """Where the partitions ended when they were first begun."""
        self._next: dict[Partition, int] = {}
        """The offset behind what was handed out of each partition."""
        self._ended: set[Partition] = set()
        """Partitions of which all has been handed out."""
        self._unfinished: set[Partition] | None = None
        """Partitions not yet read to that end; None before they are begun."""
        self._is_away = False
        self._failure: KafkaFailure | None = None
        """Why this client can read no more."""
        self._consumer = Consumer(
            home.client(
                group_id=home.group_id(group),
                group_instance_id=kind,
                session_timeout_ms=round(session_timeout_s * 1000),
                max_poll_interval_ms=LONGEST_WRITE_S * 1000,
                enable_auto_commit=False,
                enable_auto_offset_store=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                enable_partition_eof=True,
                queued_max_messages_kbytes=65_536,
                error_cb=self._hear,
            )
        )
        self._join()

    @property
    def since(self) -> str:
        """Names the committed positions: equal names are equal positions, and later ones sort later."""
        places = ",".join(f"{topic}:{number}:{offset}" for (topic, number), offset in sorted(self._committed.items()))
        return f"{sum(self._committed.values()):018d}-{zlib.crc32(places.encode()):08x}"

    @property
    def is_at_end(self) -> bool:
        """Whether all has been handed out that was there when the topics were first begun."""
        return self._unfinished is not None and not self._unfinished

    def begin(self) -> bool:
        """Whether the group has given out partitions anew, which are then read from their committed positions.

        What was read before and not committed comes again. Unreachable where the positions cannot be asked.
        """
        if self._assigned is None:
            return False
        given = {(at.topic, at.partition) for at in self._assigned}
        if not self._expected <= given or {topic for topic, _ in given} != set(self._topics):
            # A broker gives a member that comes back what it had, whatever it subscribes to; not when it asks twice.
            self._assigned = None
            self._join()
            return False
        try:
            known = self._consumer.committed(self._assigned, timeout=CALL_S)
        except KafkaException as failed:
            raise self._meaning(failed.args[0]) from None
        self._committed = {(at.topic, at.partition): max(at.offset, 0) for at in known}
        self._ends |= offsets_at(self._consumer, self._home, given - self._ends.keys(), LATEST_MS)
        self._unfinished = {place for place, end in self._ends.items() if end > self._committed.get(place, 0)}
        self._next, self._ended = dict(self._committed), set()
        self._consumer.assign(known)
        self._assigned = None
        return True

    def lag(self) -> dict[Partition, int]:
        """Messages that wait in each partition, as far as the last fetches know."""
        lag = {}
        for place, offset in self._next.items():
            end = int(self._consumer.get_watermark_offsets(TopicPartition(*place), cached=True)[1])
            lag[place] = 0 if place in self._ended else max(end - offset, 0)
        return lag

    def poll(self, count: int, timeout_s: float) -> list[Message]:
        """Up to `count` messages; none after the time, and where `begin` must be called first.

        Unreachable where the cluster is away, KafkaFailure where another sink has taken over.
        """
        messages = []
        for message in self._consumer.consume(count, timeout_s):
            error = message.error()
            place = (message.topic() or "", message.partition() or 0)
            if error is None:
                messages.append(message)
                self._reached(place, (message.offset() or 0) + 1)
            elif error.code() == KafkaError._PARTITION_EOF:
                self._reached(place, None)
            else:
                self._hear(error)
        if self._assigned is not None:
            return []
        if self._failure is not None:
            raise self._failure
        if messages:
            self._is_away = False
        elif self._is_away:
            reach(self._home, CALL_S)
            self._is_away = False
        return messages

    def commit(self, positions: Mapping[Partition, int]) -> bool:
        """Makes positions lasting; False where the group was formed anew meanwhile. Unreachable, KafkaFailure."""
        offsets = [TopicPartition(topic, number, offset) for (topic, number), offset in positions.items()]
        try:
            answers = self._consumer.commit(offsets=offsets, asynchronous=False) or []
            refused = next((at.error for at in answers if at.error is not None), None)
        except KafkaException as failed:
            refused = failed.args[0]
        if refused is None:
            self._committed.update(positions)
            return True
        if refused.code() in _MOVED:
            return False
        raise self._meaning(refused)

    def close(self) -> None:
        """Leaves the cluster; the group keeps our place until its session ends."""
        self._consumer.close()

    def _join(self) -> None:
        self._consumer.subscribe(self._topics, on_assign=self._gain, on_revoke=self._lose, on_lost=self._lose)

    def _gain(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign([])  # nothing is fetched before `begin` has the positions
        self._assigned = partitions

    def _lose(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.unassign()

    def _reached(self, place: Partition, offset: int | None) -> None:
        if offset is None:  # what lies between here and the end are marks of transactions, and no messages
            self._ended.add(place)
        else:
            self._ended.discard(place)
            self._next[place] = offset
        if self._unfinished is not None and (offset is None or offset >= self._ends.get(place, 0)):
            self._unfinished.discard(place)

    def _hear(self, error: KafkaError) -> None:
        """Sorts what the connections met: the client itself goes on trying, or it cannot."""
        meaning = self._meaning(error)
        if isinstance(meaning, Unreachable):
            self._is_away = True
        elif self._failure is None:
            self._failure = meaning

    def _meaning(self, error: KafkaError) -> KafkaFailure:
        if error.fatal() or error.code() == KafkaError._FATAL or error.code() in _FENCED:
            return KafkaFailure(
                f"another {self._kind} sink of this deployment has taken over: one sink writes a table, stop the other"
            )
        return failure(error, self._home)
