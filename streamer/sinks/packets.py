"""Packets to a topic, as a survey would send them: for rehearsals."""

from __future__ import annotations

from time import monotonic
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamer.kafka.cluster import Cluster, KafkaFailure, explain

PATIENCE_S = 60.0
"""A packet that the cluster has not taken after this time ends the rehearsal [s]; brokers restart faster."""

QUEUED_MAX_KBYTES = 65_536
"""Most memory for packets on their way [1024 byte]."""


class KafkaPacketSink:
    """Sends packets, each counted when all brokers that must have it do."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        self._cluster, self._topic = cluster, topic
        self._refused: KafkaError | None = None
        self.delivered = 0
        """Packets that are on the topic."""
        self._producer = Producer(
            cluster.client(
                enable_idempotence=True,
                message_timeout_ms=round(PATIENCE_S * 1000),
                compression_type="snappy",  # as Rubin's topics
                linger_ms=5,
                queue_buffering_max_kbytes=QUEUED_MAX_KBYTES,
            )
        )

    def send(self, payload: bytes, key: bytes | None = None) -> None:
        """Hands over one packet; waits while the cluster is away. KafkaFailure where it stays away or refuses.

        The surveys' packets have no key.
        """
        until = monotonic() + 2 * PATIENCE_S
        while True:
            self._producer.poll(0.0)
            self._check()
            try:
                return self._producer.produce(self._topic, payload, key, on_delivery=self._note)
            except BufferError:
                self._producer.poll(0.1)
                if monotonic() > until:
                    raise KafkaFailure(self._stuck()) from None
            except KafkaException as failed:
                raise KafkaFailure(explain(failed.args[0], self._cluster)) from None

    def wait(self, seconds: float) -> None:
        """Waits so long, and counts what is delivered meanwhile."""
        until = monotonic() + seconds
        while (left := until - monotonic()) > 0:
            self._producer.poll(left)

    def flush(self) -> None:
        """Waits until everything is delivered; KafkaFailure where it cannot be."""
        left = self._producer.flush(2 * PATIENCE_S)
        self._check()
        if left:
            raise KafkaFailure(self._stuck())

    def close(self) -> None:
        """Drops what is not delivered."""
        self._producer.purge()
        self._producer.flush(1.0)

    def _note(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.delivered += 1
        elif self._refused is None:
            self._refused = error

    def _check(self) -> None:
        if self._refused is None:
            return
        if self._refused.code() == KafkaError._MSG_TIMED_OUT:
            raise KafkaFailure(self._stuck())
        raise KafkaFailure(f"{explain(self._refused, self._cluster)} ({self.delivered:,} packets were sent)")

    def _stuck(self) -> str:
        return (
            f"{self._cluster} took no packet for {PATIENCE_S:g} s; {self.delivered:,} are on {self._topic}: is it up?"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
