"""How far a deployment has come, asked from outside: its workers' last words, its group's positions and lags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Literal, NamedTuple, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # it is documented

from streamer.kafka.cluster import Cluster, KafkaFailure, explain, reach

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for one answer of a cluster [s]: it takes milliseconds where all is well."""

BEGIN, END = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
"""Which offset of a partition is asked for."""

LOADING = {KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR}
"""What a broker says of a group for its first seconds."""

LOADING_TURN_S = 0.2
"""Such a group is asked again after this time [s]."""

OFFSETS_TOPIC = "__consumer_offsets"
"""Where a cluster keeps the positions of groups; it makes it for the first group."""

Partition = tuple[str, int]
"""Topic and partition of one cluster."""


class Watched(NamedTuple):
    """A topic that a deployment reads."""

    cluster: Cluster
    topic: str
    positions_topic: str | None
    """Topic of the home cluster whose committed offsets are the group's positions in `topic`; None: `topic` itself."""
    start_at: Literal["earliest", "latest"]
    """Where a partition begins that the group has no position in."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a group has come in one topic."""

    cluster: str
    topic: str
    lag: int
    """Messages published and not yet taken."""
    expired: int
    """Messages that were deleted before they were taken."""


class DeploymentWatch:
    """Asks the clusters of a deployment; made once, asked as often as one likes. It joins no group, commits nothing.

    KafkaFailure where the home cluster cannot be asked.
    """

    def __init__(self, home: Cluster, group: str, status_topic: str) -> None:
        self._home, self._group, self._status_topic = home, group, status_topic
        self._admins: dict[str, AdminClient] = {}
        self._words = _LastWords(home, group, status_topic)

    def close(self) -> None:
        """Lets go of the clusters."""
        self._words.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def last_words(self) -> Mapping[str, bytes]:
        """The newest message of each slot on the status topic, by slot; none where there is no such topic."""
        return self._words.read() if self._status_topic in reach(self._home, ANSWER_TIMEOUT_S).topics else {}

    def progress(self, watched: Sequence[Watched]) -> tuple[list[Progress], list[str]]:
        """How far the group is in each topic that exists, and a line for each other cluster that cannot be asked."""
        positions = self._positions()
        found: list[Progress] = []
        away: list[str] = []
        for cluster in {item.cluster.name: item.cluster for item in watched}.values():
            try:
                found += self._in_cluster(cluster, [item for item in watched if item.cluster == cluster], positions)
            except KafkaFailure as error:
                if cluster == self._home:
                    raise
                away.append(f"the lag at {cluster.name} is not known: {error}")
        return found, away

    def _positions(self) -> dict[Partition, int]:
        """The committed offsets of the group on the home cluster."""
        if OFFSETS_TOPIC not in reach(self._home, ANSWER_TIMEOUT_S).topics:
            return {}  # asked for offsets before any group was there, librdkafka 2.16 dies of a segmentation fault
        with _explained(self._home):
            partitions = self._group_partitions()
        return {(at.topic, at.partition): at.offset for at in partitions if at.offset >= 0}

    def _group_partitions(self) -> list[TopicPartition]:
        """What the group has committed; asked again for a while where its coordinator has just begun."""
        until = monotonic() + ANSWER_TIMEOUT_S
        while True:
            asked = self._admin(self._home).list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(self._group)], request_timeout=ANSWER_TIMEOUT_S
            )
            try:
                return asked[self._group].result().topic_partitions or []
            except KafkaException as error:
                if error.args[0].code() not in LOADING or monotonic() >= until:
                    raise
            sleep(LOADING_TURN_S)

    def _in_cluster(
        self, cluster: Cluster, watched: Sequence[Watched], positions: Mapping[Partition, int]
    ) -> Iterator[Progress]:
        topics = reach(cluster, ANSWER_TIMEOUT_S).topics
        partitions = {
            item.topic: [(item.topic, number) for number in topics[item.topic].partitions]
            for item in watched
            if item.topic in topics and topics[item.topic].error is None
        }
        begins = self._offsets(cluster, partitions.values(), BEGIN)
        ends = self._offsets(cluster, partitions.values(), END)
        for item in watched:
            lag = expired = 0
            for topic, number in partitions.get(item.topic, []):
                begin, end = begins[topic, number], ends[topic, number]
                unread = begin if item.start_at == "earliest" else end
                position = positions.get((item.positions_topic or topic, number), unread)
                lag += max(end - max(position, begin), 0)
                expired += max(begin - position, 0)
            if item.topic in partitions:
                yield Progress(cluster.name, item.topic, lag, expired)

    def _offsets(
        self, cluster: Cluster, topics: Iterable[Sequence[Partition]], which: OffsetSpec
    ) -> dict[Partition, int]:
        """The first or the next offset of each partition, open transactions left out."""
        asked = {TopicPartition(*partition): which for partitions in topics for partition in partitions}
        if not asked:
            return {}
        with _explained(cluster):
            answers = self._admin(cluster).list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_TIMEOUT_S
            )
            return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}

    def _admin(self, cluster: Cluster) -> AdminClient:
        if cluster.name not in self._admins:
            self._admins[cluster.name] = AdminClient(cluster.client())
        return self._admins[cluster.name]


class _LastWords:
    """Follows the status topic, of one partition, and keeps what each key said last."""

    def __init__(self, home: Cluster, group: str, topic: str) -> None:
        self._home, self._topic = home, topic
        self._next = OFFSET_BEGINNING
        self._words: dict[str, bytes] = {}
        self._consumer = Consumer(
            home.client(
                group_id=group,  # asked for by the client; it neither joins nor commits
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                isolation_level="read_committed",
                enable_partition_eof=True,
                fetch_wait_max_ms=20,
            )
        )

    def read(self) -> Mapping[str, bytes]:
        """Reads on to the topic's end; answers the newest value of each key."""
        self._consumer.assign([TopicPartition(self._topic, 0, self._next)])
        while True:
            message = self._consumer.poll(ANSWER_TIMEOUT_S)
            if message is None:
                raise KafkaFailure(
                    f"{self._home} is silent about {self._topic}, {ANSWER_TIMEOUT_S:.0f} s long: try again"
                )
            error = message.error()
            if error is None:
                self._next = (message.offset() or 0) + 1
                self._keep((message.key() or b"").decode(errors="replace"), message.value())
            elif error.code() == KafkaError._PARTITION_EOF:
                return self._words
            else:
                raise KafkaFailure(explain(error, self._home))

    def close(self) -> None:
        self._consumer.close()

    def _keep(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._words.pop(key, None)
        else:
            self._words[key] = value


@contextmanager
def _explained(cluster: Cluster) -> Iterator[None]:
    try:
        yield
    except KafkaException as error:
        raise KafkaFailure(explain(error.args[0], cluster)) from None
