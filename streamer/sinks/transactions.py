"""One transaction a batch: scores and the positions behind them become visible together, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, sleep
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition

from streamer.errors import UserError
from streamer.kafka.cluster import Cluster, KafkaFailure, explain, open_client
from streamer.kafka.slot import ShutOut
from streamer.sinks.base import SinkError

T = TypeVar("T")

CALL_S = 5.0
"""Longest that one call to the cluster waits before it is tried again [s]."""

PATIENCE_S = 20.0
"""After so long without an answer to one question a worker starts anew; that also settles a transaction whose end is
unknown [s]."""

IDLE_S = 10.0
"""A connection that carries nothing for so long is closed [s]. librdkafka may wait for one for ever: it looks for the
group's coordinator anew only when some connection changes (its issues 5456 and 5511)."""

TURN_S = 0.1
"""What cannot be done at once is tried again after this time [s]."""

FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""Errors of a worker whose place another has, or whose transaction took too long."""


class TakenBack(SinkError):  # noqa: N818  (a state of the batch, nobody's error)
    """A transaction was undone: the batch must be tried again, as far as its lanes are still ours."""


class Transactions:
    """The worker's producer. The slot is its place: whoever opens it later shuts out who had it before."""

    def __init__(self, home: Cluster, deployment: str, slot: str, timeout_s: float, trying: Callable[[], None]) -> None:
        """`trying` is called before each try: a worker that waits here is alive, one that hangs in a try is not."""
        self._home, self._trying = home, trying
        self._is_open = False
        self._producer = open_client(
            Producer,
            home,
            transactional_id=f"{deployment}.{slot}",
            transaction_timeout_ms=round(timeout_s * 1000),
            message_timeout_ms=round(timeout_s * 1000),
            compression_type="zstd",
            linger_ms=5,
            queue_buffering_max_kbytes=262_144,
            connections_max_idle_ms=round(IDLE_S * 1000),
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
            self._trying()
            try:
                self._producer.produce(topic, value, key)
            except BufferError:
                if monotonic() > until:
                    raise KafkaFailure(f"{self._home} takes no messages: is it up?") from None
                self._producer.poll(TURN_S)
            except KafkaException as failed:
                raise self._meaning(failed.args[0]) from None
            else:
                return

    def commit(self, positions: Sequence[TopicPartition], proof: Any) -> None:
        """Makes the messages and the positions lasting, together.

        TakenBack where it was undone, ShutOut where this worker has no say any more, KafkaFailure where the cluster did
        not answer in time.
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
            self._trying()
            try:
                return ask(CALL_S)
            except KafkaException as failed:
                error: KafkaError = failed.args[0]
                if not error.retriable() or monotonic() > until:
                    raise self._meaning(error) from None
                sleep(TURN_S)

    def _meaning(self, error: KafkaError) -> UserError:
        code, text = error.code(), explain(error, self._home)
        if code in FENCED:
            return ShutOut(text)
        if code == KafkaError.MSG_SIZE_TOO_LARGE:
            kind = TakenBack if error.txn_requires_abort() else SinkError
            return kind(f"{text}: raise max.message.bytes of the topics that `streamer topics show` names")
        if error.txn_requires_abort() or code == KafkaError._STATE:  # the latter: what was sent before has failed
            return TakenBack(text)
        return KafkaFailure(text)
