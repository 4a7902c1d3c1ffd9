"""How far a deployment has come, asked from outside: its workers' last words, its group's positions and lags."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Literal, NamedTuple, Self, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # it is documented

from streamer.kafka.cluster import Cluster, KafkaFailure, explain, is_away, reach

ANSWER_TIMEOUT_S = 10.0
"""Longest wait for one answer of a cluster [s]: it takes milliseconds where all is well."""

BEGIN, END = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]
"""Which offset of a partition is asked for."""

AGAIN_S = 0.2
"""A broker that has just begun, or hands its partitions or groups on, is asked again after this time [s]."""

T = TypeVar("T")

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
        self._home, self._status_topic = home, status_topic
        self._group = Consumer(
            home.client(
                group_id=group,
                enable_auto_commit=False,
                isolation_level="read_uncommitted",  # else it waits for a worker's open transaction
            )
        )
        self._words = _LastWords(home, group, status_topic)

    def close(self) -> None:
        """Lets go of the clusters."""
        self._group.close()
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
        found: list[Progress] = []
        away: list[str] = []
        for cluster in {item.cluster.name: item.cluster for item in watched}.values():
            asked = [item for item in watched if item.cluster == cluster]
            try:
                partitions = self._partitions(cluster, asked)
                begins, ends = (self._offsets(cluster, partitions.values(), which) for which in (BEGIN, END))
            except KafkaFailure as error:
                if cluster == self._home:
                    raise
                away.append(f"the lag at {cluster.name} is not known: {error}")
            else:
                there = [item for item in asked if item.topic in partitions]
                found += self._compared(there, partitions, begins, ends)
        return found, away

    def _partitions(self, cluster: Cluster, watched: Sequence[Watched]) -> dict[str, list[Partition]]:
        """The partitions of each topic that is there."""
        topics = reach(cluster, ANSWER_TIMEOUT_S).topics
        return {
            item.topic: [(item.topic, number) for number in topics[item.topic].partitions]
            for item in watched
            if item.topic in topics and topics[item.topic].error is None
        }

    def _compared(
        self,
        watched: Sequence[Watched],
        partitions: Mapping[str, Sequence[Partition]],
        begins: Mapping[Partition, int],
        ends: Mapping[Partition, int],
    ) -> Iterator[Progress]:
        """How far the group is in each topic, whose partitions begin and end so."""
        positions = self._positions(
            (item.positions_topic or topic, number) for item in watched for topic, number in partitions[item.topic]
        )
        for item in watched:
            lag = expired = 0
            for topic, number in partitions[item.topic]:
                begin, end = begins[topic, number], ends[topic, number]
                unread = begin if item.start_at == "earliest" else end
                position = positions.get((item.positions_topic or topic, number), unread)
                lag += max(end - max(position, begin), 0)
                expired += max(begin - position, 0)
            yield Progress(item.cluster.name, item.topic, lag, expired)

    def _positions(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """The committed offsets of the group on the home cluster.

        By a consumer: librdkafka 2.16 dies of a segmentation fault where an admin client asks for them while the
        group's coordinator begins or moves.
        """
        asked = [TopicPartition(*partition) for partition in partitions]
        if not asked:
            return {}
        answers = self._asked(self._home, lambda: self._group.committed(asked, timeout=ANSWER_TIMEOUT_S))
        return {(at.topic, at.partition): at.offset for at in answers if at.offset >= 0}

    def _offsets(
        self, cluster: Cluster, topics: Iterable[Sequence[Partition]], which: OffsetSpec
    ) -> dict[Partition, int]:
        """The first or the next offset of each partition, open transactions left out."""
        asked = {TopicPartition(*partition): which for partitions in topics for partition in partitions}
        if not asked:
            return {}

        def ask() -> dict[Partition, int]:
            admin = AdminClient(cluster.client())  # a new one: it believes for 15 minutes in the leaders that it knows
            answers = admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=ANSWER_TIMEOUT_S
            )
            return {(at.topic, at.partition): answer.result().offset for at, answer in answers.items()}

        return self._asked(cluster, ask)

    def _asked(self, cluster: Cluster, ask: Callable[[], T]) -> T:
        """What `ask` gives; asked again for a while where brokers begin, or hand partitions or groups on."""
        until = monotonic() + ANSWER_TIMEOUT_S
        while True:
            try:
                return ask()
            except KafkaException as error:
                if not is_away(error.args[0]) or monotonic() >= until:
                    raise KafkaFailure(explain(error.args[0], cluster)) from None
            sleep(AGAIN_S)


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
