"""What stands around the workers under test: a survey that sends alerts, and a subscriber that waits for scores."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Event, Thread
from time import monotonic, sleep, time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition

from streamer.bench.alerts import AlertPool
from streamer.errors import UserError
from streamer.kafka.cluster import Cluster, explain

PARTITIONS = 8
"""Partitions of each survey's topic in the bench."""

TIMEOUT_S = 30.0
"""Longest wait for an answer of the cluster [s]."""

SAMPLED = 50
"""One score in so many is kept, to be looked into."""


class Offer:
    """Sends alerts of the pool to the survey's topics, in order of their numbers, evenly over the partitions."""

    def __init__(self, home: Cluster, topics: Mapping[str, str], pool: AlertPool, visit: int) -> None:
        self._topics, self._pool, self._visit, self._home = topics, pool, visit, home
        self._producer = Producer(home.client(linger_ms=2, queue_buffering_max_kbytes=262_144))
        self._refused: list[KafkaError] = []
        self.sent_unix_s: dict[bytes, float] = {}
        """When each alert was sent, which is its message's timestamp too, by the key of its score."""

    def send(self, count: int) -> None:
        """Sends the next `count` alerts; UserError where the cluster refuses one."""
        for number in range(len(self.sent_unix_s), len(self.sent_unix_s) + count):
            payload = self._pool.payload(number, self._visit)
            topic, partition = self._topics[self._pool.survey(number)], number // len(self._topics) % PARTITIONS
            now = time()
            while True:
                try:
                    self._producer.produce(
                        topic, payload, partition=partition, timestamp=int(now * 1000), on_delivery=self._note
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
            self.sent_unix_s[self._pool.key(number)] = now
            self._producer.poll(0.0)
        if self._refused:
            raise UserError(explain(self._refused[0], self._home))

    def send_at(self, rate_per_s: float, count: int) -> float:
        """Sends `count` alerts, evenly in time; returns how late the latest one was [s]."""
        start, late_s = monotonic(), 0.0
        for place in range(count):
            due = start + place / rate_per_s
            while (left := due - monotonic()) > 0:
                self._producer.poll(0.0)
                sleep(left)
            late_s = max(late_s, -left)
            self.send(1)
        return late_s

    def flush(self) -> None:
        """Waits until the cluster has all that was sent; UserError where it does not take it."""
        if self._producer.flush(TIMEOUT_S):
            raise UserError(f"{self._home} does not take the alerts within {TIMEOUT_S:.0f} s")
        self.send(0)

    def _note(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._refused.append(error)


class Subscriber:
    """Reads scores as they are committed, in a thread of its own, until `close`.

    `partitions` says how many each topic has, of topics that are new and empty.
    """

    def __init__(self, home: Cluster, partitions: Mapping[str, int]) -> None:
        self.arrived_unix_s: dict[bytes, float] = {}
        """When the score of each object came, by its key."""
        self.again: list[bytes] = []
        """Keys that came once more."""
        self.samples: list[bytes] = []
        """Some values, as they came."""
        self._consumer = Consumer(
            home.client(
                group_id=home.group_id("bench"),  # for its name only: nothing is subscribed to
                enable_auto_commit=False,
                isolation_level="read_committed",
                fetch_queue_backoff_ms=5,
            )
        )
        self._consumer.assign(
            [TopicPartition(topic, place, OFFSET_BEGINNING) for topic, n in partitions.items() for place in range(n)]
        )
        self._is_closing = Event()
        self._thread = Thread(target=self._read, name="subscriber", daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        """Scores that came."""
        return len(self.arrived_unix_s) + len(self.again)

    def forget(self) -> None:
        """Begins anew, while no scores are under way."""
        self.arrived_unix_s, self.again, self.samples = {}, [], []

    def close(self) -> None:
        """Stops reading."""
        self._is_closing.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._is_closing.is_set():
            message = self._consumer.poll(0.2)
            if message is None or message.error() is not None:
                continue
            key = message.key() or b""
            if key in self.arrived_unix_s:
                self.again.append(key)
                continue
            self.arrived_unix_s[key] = time()
            if len(self.arrived_unix_s) % SAMPLED == 1:
                self.samples.append(message.value() or b"")
