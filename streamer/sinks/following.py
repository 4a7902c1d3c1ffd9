"""A sink as an always-on consumer of our topics: read, write, then commit, so that nothing is lost or twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from time import monotonic, sleep, time
from typing import Protocol, TypeVar

import fastavro
from confluent_kafka import Message

from schemas.messages import Schema, WriterSchema, read_message
from schemas.packet import Coordinates, Packet
from schemas.records import DeadLetter, RecordFileError
from schemas.wire import Record
from streamer.kafka.cluster import Unreachable
from streamer.kafka.offsets import Partition
from streamer.kafka.registry import SchemaRegistry
from streamer.logs import about
from streamer.sinks.acknowledged import AcknowledgedProducer
from streamer.sinks.base import Away, DeadLetterSink
from streamer.sinks.said_letters import say
from streamer.sinks.subscription import Subscription

log = logging.getLogger(__name__)

T = TypeVar("T")

TAKEN_AT_ONCE = 1_000
"""Messages that are decoded together, so that their bytes are soon let go [messages]."""

POLL_S = 0.2
"""Longest wait for a message before the clock is looked at [s]."""

AGAIN_S = 1.0
"""What is away is asked again after this time [s]."""

SAID_AGAIN_S = 60.0
"""While something is away, that is said this often [s]."""

UNREADABLE, STAGE = "unreadable_message", "sink"
"""Reason and stage of the dead letters that a sink writes."""


class Destination(Protocol):
    """A table that a sink fills; writing a record again leaves one copy."""

    schema_name: str
    """Schema of the records that it takes."""

    def begin(self, since: str) -> None:
        """Starts a batch, named by the positions that it begins at; what was taken and not flushed is forgotten."""
        ...

    def take(self, records: Sequence[Record]) -> None:
        """Takes records into memory, all or none; RecordFileError where one does not fit."""
        ...

    def flush(self) -> None:
        """Makes all of the batch lasting. Away: try again; another SinkError: it will never work."""
        ...

    def join(self) -> None:
        """Brings the table into good order, in quiet time."""
        ...


class Watcher(Protocol):
    """Hears how a sink does, to show it to others."""

    def alive(self) -> None:
        """The sink waits for something, and goes on trying."""
        ...

    def polled(self, lag: Mapping[Partition, int], waiting: int) -> None:
        """The sink has asked for messages. `lag`: those not yet read; `waiting`: those read and not yet written."""
        ...

    def written(self, messages: int, unreadable: int, seconds: float) -> None:
        """A batch is committed: its messages, those of it that became dead letters, the time of its writing [s]."""
        ...

    def away(self, is_table: bool) -> None:
        """The table (or what is needed to read messages), else the cluster, does not answer."""
        ...

    def back(self) -> None:
        """What was away has answered."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a sink gathers before it writes."""

    max_rows: int
    """[messages]"""
    max_wait_s: float
    """Longest time from the first message of a batch to its writing [s]."""
    quiet_s: float
    """So long without a message is quiet time [s]."""


@dataclass(slots=True)
class Tally:
    """What a sink has done since its start."""

    messages: int = 0
    """Messages whose positions are committed."""
    written: int = 0
    unreadable: int = 0
    """Messages that became dead letters."""
    batches: int = 0

    def as_json(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)


@dataclass(slots=True)
class _Batch:
    """What was read since the last commit."""

    positions: dict[Partition, int] = field(default_factory=dict)
    messages: int = 0
    unreadable: int = 0
    began: float = 0.0


def asking(registry: SchemaRegistry) -> WriterSchema:
    """Writer schemas of a registry: Away while it has not answered, RecordFileError where it knows none."""

    @cache
    def writer_schema(schema_id: int) -> Schema:
        found = registry.lookup(schema_id)
        if found.state == "unknown":
            raise RecordFileError(found.detail)
        if found.schema is None:
            raise Away(found.detail)
        return fastavro.parse_schema(found.schema)  # type: ignore[no-any-return]

    return writer_schema


class _Stopping(Exception):  # noqa: N818
    """Told to stop while waiting for what is away."""


class Follower:
    """Reads topics into a table until told to stop. Each batch: read, write lastingly, commit the positions."""

    def __init__(
        self,
        subscription: Subscription,
        cluster: str,
        destination: Destination,
        dead_letters: DeadLetterSink,
        producer: AcknowledgedProducer,
        writer_schema: WriterSchema | None,
        limits: Limits,
        watcher: Watcher,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._subscription, self._cluster, self._destination = subscription, cluster, destination
        self._dead_letters, self._producer = dead_letters, producer
        self._writer_schema = writer_schema
        self._limits, self._watcher, self._is_stopping = limits, watcher, is_stopping
        self._batch = _Batch()
        self.tally = Tally()

    def run(self, until_end: bool = False) -> Tally:
        """Follows until told to stop, or with `until_end` to the end of the topics as it is now; then joins the files.

        What is away is waited out. Another SinkError or KafkaFailure ends it; what was not committed comes again.
        """
        try:
            self._follow(until_end)
            if self._batch.messages:
                self._write()
            if until_end and not self._is_stopping():
                self._destination.join()
        except _Stopping:
            log.warning("stopped while waiting: what is not committed stays on the topic for the next start")
        return self.tally

    def _follow(self, until_end: bool) -> None:
        last = monotonic()
        is_joined = False
        while not (self._is_stopping() or (until_end and self._subscription.is_at_end)):
            if self._patiently(self._subscription.begin):
                self._start_batch()
            room = min(TAKEN_AT_ONCE, self._limits.max_rows - self._batch.messages)
            messages = self._patiently(lambda: self._subscription.poll(room, POLL_S))  # noqa: B023  (called at once)
            self._watcher.polled(self._subscription.lag(), self._batch.messages + len(messages))
            if messages:
                self._take(messages)
                last, is_joined = monotonic(), False
            if self._is_due():
                self._write()
            elif not is_joined and monotonic() - last >= self._limits.quiet_s and not self._batch.messages:
                self._destination.join()
                is_joined = True

    def _start_batch(self) -> None:
        self._batch = _Batch()
        self._destination.begin(self._subscription.since)

    def _is_due(self) -> bool:
        batch, limits = self._batch, self._limits
        waited_s = monotonic() - batch.began
        return batch.messages >= limits.max_rows or (batch.messages > 0 and waited_s >= limits.max_wait_s)

    def _take(self, messages: Sequence[Message]) -> None:
        """Adds messages to the batch; what cannot be read or does not fit becomes a dead letter."""
        batch = self._batch
        if not batch.messages:
            batch.began = monotonic()
        readable: list[tuple[Message, Record]] = []
        for message in messages:
            try:
                readable.append((message, self._patiently(lambda: self._read(message))))  # noqa: B023  (called at once)
            except RecordFileError as error:
                self._refuse(message, error)
        self._deliver(readable)
        for message in messages:
            batch.positions[message.topic() or "", message.partition() or 0] = (message.offset() or 0) + 1
        batch.messages += len(messages)

    def _read(self, message: Message) -> Record:
        return read_message(message.value() or b"", self._destination.schema_name, self._writer_schema)

    def _deliver(self, readable: Sequence[tuple[Message, Record]]) -> None:
        """Hands records over; of several that do not fit together, each by itself."""
        if not readable:
            return
        try:
            self._destination.take([record for _, record in readable])
        except RecordFileError as error:
            if len(readable) == 1:
                self._refuse(readable[0][0], error)
            else:
                middle = len(readable) // 2
                self._deliver(readable[:middle])
                self._deliver(readable[middle:])

    def _refuse(self, message: Message, error: RecordFileError) -> None:
        """Makes a dead letter, and says it."""
        at = Coordinates(self._cluster, message.topic() or "", message.partition() or 0, message.offset() or 0)
        _, published_ms = message.timestamp()
        packet = Packet(at, message.value() or b"", time(), published_ms / 1000 if published_ms > 0 else None)
        letter = DeadLetter.of(packet, reason=UNREADABLE, stage=STAGE, detail=str(error))
        self._patiently(lambda: self._dead_letters.write([letter]))
        say(letter)
        self._batch.unreadable += 1

    def _write(self) -> None:
        """The order that keeps all: 1. rows, 2. dead letters, each lasting; 3. positions."""
        batch, began = self._batch, monotonic()
        self._patiently(self._destination.flush)
        self._patiently(self._producer.flush)
        if self._patiently(lambda: self._subscription.commit(batch.positions)):
            self.tally.messages += batch.messages
            self.tally.written += batch.messages - batch.unreadable
            self.tally.unreadable += batch.unreadable
            self.tally.batches += 1
            self._watcher.written(batch.messages, batch.unreadable, monotonic() - began)
            log.info("%d messages written", batch.messages - batch.unreadable)
        self._start_batch()

    def _patiently(self, ask: Callable[[], T]) -> T:
        """What `ask` gives; what is away is asked again, with a line at once and then each minute."""
        said = -SAID_AGAIN_S
        while True:
            try:
                answer = ask()
            except (Away, Unreachable) as error:
                self._watcher.away(isinstance(error, Away))
                if monotonic() - said >= SAID_AGAIN_S:
                    log.warning("%s; waiting for it", error, extra=about(like=str(error)))
                    said = monotonic()
            else:
                if said > 0:
                    self._watcher.back()
                    log.warning("it is back")
                return answer
            until = monotonic() + AGAIN_S
            while monotonic() < until:
                self._watcher.alive()
                if self._is_stopping():
                    raise _Stopping
                sleep(0.05)
