"""Fetches the partitions that it is told to, from one cluster, never more than a bound of bytes ahead."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streamer.kafka.cluster import Cluster, KafkaFailure, explain, open_client, reach
from streamer.kafka.lane import Lane
from streamer.kafka.troubles import Troubles

METADATA_TIMEOUT_S = 2.0
"""Longest wait for the list of topics, or for the ends of a partition [s]: other clusters' alerts wait so long too."""

FETCH_MOST_BYTES = 32 * 2**20
"""Most that one answer of a broker brings, unless one message is larger [byte]."""

QUEUE_MOST_KB = 2_097_151
"""The largest queue that librdkafka can be set to [KiB]."""


class Fetched(NamedTuple):
    """What one call brought."""

    messages: list[Message]
    expired: list[Lane]
    """Partitions whose position lies outside of what the topic still holds; nothing more comes from them."""


class Fetcher:
    """A consumer without a group of its own choosing: partitions and positions come from outside."""

    def __init__(self, cluster: Cluster, group: str, fetch_max_bytes: int) -> None:
        self.cluster = cluster
        self.troubles = Troubles(cluster)
        self._lanes: set[Lane] = set()
        fetch_bytes = max(min(fetch_max_bytes, FETCH_MOST_BYTES), cluster.message_max_bytes)
        self._consumer = open_client(
            Consumer,
            cluster,
            group_id=cluster.group_id(group),  # for its name only: nothing is subscribed to
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            isolation_level="read_committed",
            auto_offset_reset="error",  # a lost position must be heard of
            queued_max_messages_kbytes=min(max(fetch_max_bytes // 1024, 1), QUEUE_MOST_KB),
            fetch_max_bytes=fetch_bytes,
            receive_message_max_bytes=max(2 * fetch_bytes, 100_000_000),  # a message comes whole, whatever its size
            max_partition_fetch_bytes=max(min(fetch_max_bytes // 8, 4 * 2**20), 2**20),
            fetch_queue_backoff_ms=10,  # the default of a second would starve the pipeline
            fetch_wait_max_ms=100,
        )

    def add(self, offsets: Mapping[Lane, int]) -> None:
        """Starts to fetch partitions from these offsets."""
        if offsets:
            self._consumer.incremental_assign([_at(lane, offset) for lane, offset in offsets.items()])
            self._lanes.update(offsets)

    def drop(self, lanes: Collection[Lane]) -> None:
        """Stops fetching; nothing more of these partitions comes, not even what was fetched already."""
        there = [lane for lane in lanes if lane in self._lanes]
        if there:
            self._consumer.incremental_unassign([_at(lane) for lane in there])
            self._lanes.difference_update(there)

    def fetch(self, count: int, timeout_s: float) -> Fetched:
        """Up to `count` messages, as soon as there are so many or the time is over."""
        found = Fetched([], [])
        if not self._lanes:
            return found
        for message in self._consumer.consume(count, timeout_s):
            error = message.error()
            if error is None:
                found.messages.append(message)
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                found.expired.append(self._lane(message))
            elif error.fatal() or error.code() == KafkaError._FATAL:
                raise KafkaFailure(explain(error, self.cluster))
            else:  # the client's own to mend: brokers that are away, leaders that move, rights that are missing
                self.troubles.hear(error, self._lane(message) if message.topic() else None)
        if found.messages:
            self.troubles.over()
        return found

    def partitions(self) -> dict[str, int]:
        """Number of partitions of each topic; Unreachable or Refused where the cluster cannot be asked."""
        try:
            known = self._consumer.list_topics(timeout=METADATA_TIMEOUT_S).topics
        except KafkaException:
            known = reach(self.cluster, METADATA_TIMEOUT_S).topics  # it hears why
        return {name: len(topic.partitions) for name, topic in known.items() if topic.error is None}

    def ends(self, lane: Lane) -> tuple[int, int]:
        """The first offset that a partition holds, and the next one; KafkaException if it cannot be asked."""
        low, high = self._consumer.get_watermark_offsets(_at(lane), timeout=METADATA_TIMEOUT_S)
        return low, high

    def known_end(self, lane: Lane) -> int:
        """The next offset of a partition as far as the last fetch knows it; -1 before the first."""
        return int(self._consumer.get_watermark_offsets(_at(lane), cached=True)[1])

    def _lane(self, message: Message) -> Lane:
        return Lane(self.cluster.name, message.topic() or "", message.partition() or 0)

    def close(self) -> None:
        """Lets go of the cluster."""
        with suppress(KafkaException):  # there is nothing to mend any more
            self._consumer.close()


def _at(lane: Lane, offset: int = -1001) -> TopicPartition:
    return TopicPartition(lane.topic, lane.partition, offset)
