"""One transaction a batch: scores and the positions behind them become visible together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streamer.kafka.cluster import Cluster, KafkaFailure, explain
from streamer.sinks.base import SinkError

T = TypeVar("T")

CALL_S = 5.0
"""Longest that one call to the cluster waits before it is tried again [s]."""

PATIENCE_S = 60.0
"""After so long without an answer a worker starts anew; that also settles a transaction whose end is unknown [s]."""


class TakenBack(SinkError):  # noqa: N818  (a state of the batch, nobody's error)
    """A transaction was undone: the batch must be tried again, as far as its lanes are still ours."""


class Fenced(KafkaFailure):
    """Another producer has our place, or the client cannot go on: only a new start helps."""


class SlotTaken(KafkaFailure):
    """Another worker runs with this one's slot."""


class Transactions:
    """The worker's producer. `transactional_id` names its place: whoever opens it later shuts out who had it before."""

    def __init__(self, home: Cluster, transactional_id: str, timeout_s: float) -> None:
        self._home, self._id = home, transactional_id
        self._is_open = False
        self._producer = Producer(
            home.client(
                transactional_id=transactional_id,
                transaction_timeout_ms=round(timeout_s * 1000),
                message_timeout_ms=round(timeout_s * 1000),
                compression_type="zstd",
                linger_ms=5,
                queue_buffering_max_kbytes=262_144,
            )
        )

    def open(self) -> None:
        """Shuts out a former owner and ends its transaction; KafkaFailure where the cluster does not let us."""
        self._call(self._producer.init_transactions)

    def begin(self) -> None:
        """Starts a transaction."""
        self._call(lambda timeout_s: self._producer.begin_transaction())
        self._is_open = True

    def send(self, topic: str, key: bytes, value: bytes) -> None:
        """Adds a message; SinkError where it is too large."""
        until = monotonic() + PATIENCE_S
        while True:
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                if monotonic() > until:
                    raise Fenced(f"the cluster {self._home.bootstrap} takes no messages: starting anew") from None
                self._producer.poll(0.1)
            except KafkaException as failed:
                raise self._meaning(failed.args[0]) from None
            else:
                return

    def commit(self, positions: Sequence[TopicPartition], proof: Any) -> None:
        """Makes the messages and the positions lasting, together.

        TakenBack where it was undone, Fenced or SlotTaken where this worker has no say any more.
        """
        if positions:
            self._call(lambda timeout_s: self._producer.send_offsets_to_transaction(list(positions), proof, timeout_s))
        self._call(self._producer.commit_transaction)
        self._is_open = False

    def abort(self) -> None:
        """Undoes the open transaction; does nothing where none is open."""
        if self._is_open:
            self._call(self._producer.abort_transaction)
            self._is_open = False

    def close(self) -> None:
        """Undoes an open transaction, as far as that can be done quickly."""
        if self._is_open:
            with suppress(KafkaException):  # it times out at the cluster, or our next start ends it
                self._producer.abort_transaction(CALL_S)
            self._is_open = False

    def _call(self, ask: Callable[[float], T]) -> T:
        """Asks until there is an answer; one that never comes, and every refusal, gets its meaning."""
        until = monotonic() + PATIENCE_S
        while True:
            try:
                return ask(CALL_S)
            except KafkaException as failed:
                error: KafkaError = failed.args[0]
                if not error.retriable() or monotonic() > until:
                    raise self._meaning(error) from None

    def _meaning(self, error: KafkaError) -> KafkaFailure | SinkError:
        text = explain(error, self._home)
        if error.code() == KafkaError.FENCED_INSTANCE_ID:
            return SlotTaken(
                f"another worker runs as {self._id}: every host of a deployment needs a name of its own (`host:` in "
                "the configuration), and one `streamer run`"
            )
        if error.txn_requires_abort():
            return TakenBack(text)
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
            return SinkError(f"{text}: raise kafka.message_max_mb, here and on the topics")
        return Fenced(text)
