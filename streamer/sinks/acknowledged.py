"""A producer outside of any transaction: what it was given is on the topic when it says so."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streamer.kafka.cluster import Cluster, KafkaFailure, Unreachable, explain

FLUSH_S = 5.0
"""Longest wait for the cluster's word in one try [s]."""


class AcknowledgedProducer:
    """Sends messages outside of any transaction; `flush` returns when all of them are on the topic."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._refused: list[KafkaError] = []
        self._producer = Producer(
            cluster.client(
                enable_idempotence=True, message_timeout_ms=0, compression_type="zstd", error_cb=lambda error: None
            )
        )

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Takes a message. Unreachable while too many wait to be sent, KafkaFailure where it can never be sent."""
        try:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._delivered)
            except BufferError:  # the client's queue is full: room comes with the cluster's next word
                self._producer.poll(FLUSH_S)
                self._producer.produce(topic, value, key, on_delivery=self._delivered)
        except BufferError:
            raise Unreachable(f"{self._cluster} has not taken {len(self._producer)} messages yet") from None
        except KafkaException as error:
            raise KafkaFailure(f"cannot write to {topic} at {self._cluster}: {error}") from None

    def flush(self) -> None:
        """Waits until all sent so far is there; Unreachable while it is not, KafkaFailure where it never will be."""
        left = self._producer.flush(FLUSH_S)
        if self._refused:
            raise KafkaFailure(explain(self._refused[0], self._cluster))
        if left:
            raise Unreachable(f"{self._cluster} has not taken {left} messages yet")

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._refused.append(error)
