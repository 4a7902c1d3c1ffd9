"""One topic from a time to a time: for replays, which take part in no group and leave no trace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from time import monotonic, time
from typing import Self

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from schemas.packet import Coordinates, Packet
from streamer.kafka.cluster import Cluster, KafkaFailure, Unreachable, explain, is_away, reach
from streamer.kafka.offsets import EARLIEST_MS, LATEST_MS, Partition, offsets_at

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for the cluster at the start [s]."""

PATIENCE_S = 60.0
"""After so long without a word from the cluster a replay ends [s]; brokers restart faster."""

QUEUED_MAX_KBYTES = 65_536
"""Most memory for what is fetched ahead [1024 byte]."""


class KafkaTopicSource:
    """The committed messages of a topic between two times, as far as they are there at the start.

    Coordinates are those that the live service gives, so a message met before is known.
    """

    def __init__(
        self, cluster: Cluster, topic: str, from_unix_s: float | None = None, until_unix_s: float | None = None
    ) -> None:
        """From the first message at or after `from_unix_s` to the last before `until_unix_s`; None: beginning, end.

        KafkaFailure where the cluster does not answer, has no such topic, or the topic no such message.
        """
        partitions = _partitions(cluster, topic)
        self._cluster, self._topic = cluster, topic
        self._consumer = Consumer(
            cluster.client(
                group_id=cluster.group_id("replay"),  # a client needs one; nothing is subscribed to or committed
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="error",  # messages that are gone must be heard of
                enable_partition_eof=True,  # offsets may hold no message: marks of transactions, and aborted ones
                queued_max_messages_kbytes=QUEUED_MAX_KBYTES,
            )
        )
        begin = _ms(from_unix_s, EARLIEST_MS)
        self._begin = offsets_at(self._consumer, cluster, partitions, begin)
        ends = offsets_at(self._consumer, cluster, partitions, _ms(until_unix_s, LATEST_MS))
        self._end = {partition: end for partition, end in ends.items() if end > self._begin[partition]}
        self._reached = {partition: self._begin[partition] for partition in self._end}
        self.offsets_total = sum(self._end[partition] - self._begin[partition] for partition in self._end)
        """Offsets between beginning and end; somewhat more than there are messages where they come in transactions."""
        if not self._end:
            self.close()
            raise KafkaFailure(f"the topic {topic} of {cluster} holds no message{_window(from_unix_s, until_unix_s)}")

    @property
    def offsets_read(self) -> int:
        """How far the reading is, of `offsets_total`."""
        return sum(reached - self._begin[partition] for partition, reached in self._reached.items())

    def __iter__(self) -> Iterator[Packet]:
        """Every packet once, partition by partition in order. Unreachable where the cluster goes away for long."""
        self._consumer.incremental_assign([TopicPartition(*at, self._begin[at]) for at in self._end])
        unread = set(self._end)
        heard_s = monotonic()
        while unread:
            message = self._consumer.poll(1.0)
            if message is None or self._is_away(message):
                if monotonic() - heard_s > PATIENCE_S:
                    raise Unreachable(f"{self._cluster} went away: when it is back, the same command goes on")
                continue
            heard_s = monotonic()
            at, end_is_met = (self._topic, message.partition() or 0), message.error() is not None
            offset = message.offset() or 0
            if at in unread and not end_is_met and offset < self._end[at]:
                self._reached[at] = offset + 1
                yield self._packet(message)
            if at in unread and (end_is_met or offset + 1 >= self._end[at]):
                self._reached[at] = self._end[at]
                unread.discard(at)
                self._consumer.incremental_unassign([TopicPartition(*at)])

    def _is_away(self, message: Message) -> bool:
        """Whether the message says that a broker is away; KafkaFailure where it says that no waiting helps."""
        error = message.error()
        if error is None or error.code() == KafkaError._PARTITION_EOF:
            return False
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise KafkaFailure(
                f"messages of {self._topic} were deleted before they were read: start again, with a later --from"
            )
        if is_away(error):
            return True
        raise KafkaFailure(explain(error, self._cluster))

    def _packet(self, message: Message) -> Packet:
        at = Coordinates(self._cluster.name, self._topic, message.partition() or 0, message.offset() or 0)
        _, published_ms = message.timestamp()
        return Packet(at, message.value() or b"", time(), published_ms / 1000 if published_ms > 0 else None)

    def close(self) -> None:
        """Lets go of the cluster."""
        self._consumer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _partitions(cluster: Cluster, topic: str) -> list[Partition]:
    known = reach(cluster, ANSWER_TIMEOUT_S).topics
    if topic not in known:
        near = get_close_matches(topic, known, n=1)
        hint = f"did you mean {near[0]}?" if near else "`streamer topics show` lists what is there"
        raise KafkaFailure(f"{cluster} has no topic {topic}: {hint}")
    return [(topic, number) for number in known[topic].partitions]


def _ms(unix_s: float | None, otherwise: int) -> int:
    return otherwise if unix_s is None else round(unix_s * 1000)


def _window(from_unix_s: float | None, until_unix_s: float | None) -> str:
    """The times as people say them."""
    named = (("from", from_unix_s), ("until", until_unix_s))
    return "".join(
        f" {word} {datetime.fromtimestamp(s, UTC):%Y-%m-%d %H:%M:%S} UTC" for word, s in named if s is not None
    )
