"""The always-on worker: one process, one thread in line. Poll a batch, take it through the pipeline, commit, again."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep, time

import numpy as np
from pydantic import AwareDatetime, BaseModel, ValidationError

from schemas.packet import Packet
from streamer.errors import UserError
from streamer.health import Health
from streamer.kafka.cluster import KafkaFailure
from streamer.kafka.lane import Lane
from streamer.kafka.slot import ShutOut, slot_taken
from streamer.kafka.topics import Topics
from streamer.logs import about
from streamer.metrics import WorkerMetrics
from streamer.outcomes import Outcomes
from streamer.pipeline import Pipeline
from streamer.sinks.said_letters import SaidLetters
from streamer.sinks.transactions import TakenBack, Transactions
from streamer.sources.kafka import KafkaSource
from streamer.state.store import StoreAway
from streamer.status import DEAD_LETTER_LIMIT, ENDED

log = logging.getLogger(__name__)

REPORT_S = 5.0
"""A worker says this often how it does, with scores or without [s]."""

FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 15.0
"""A batch that had to be taken back is tried again after the first wait; each further one is twice as long [s]."""

TURN_S = 0.2
"""While it waits, a worker takes part in its group's life this often [s]."""

SUCCESSOR_S = 8.0
"""Whoever takes a worker's slot shuts it out first, and has said its first word within this time [s]."""


class TooManyDeadLetters(UserError):  # noqa: N818  (a reason to stop, nobody's error)
    """So many messages cannot be processed that going on would empty a topic into the dead letters."""


@dataclass
class DeadLetterLimit:
    """Stops the worker when more than `max_fraction` of the last `window_alerts` messages were dead letters."""

    max_fraction: float
    window_alerts: int
    _batches: deque[tuple[int, int]] = field(default_factory=deque)

    def check(self, outcomes: Outcomes) -> None:
        """Counts a batch; TooManyDeadLetters, with the commonest reason, when the limit is passed."""
        self._batches.append((outcomes.received, outcomes.dead_letter.total()))
        received = sum(count for count, _ in self._batches)
        while received - self._batches[0][0] >= self.window_alerts:
            received -= self._batches.popleft()[0]
        dead = sum(count for _, count in self._batches)
        if received >= self.window_alerts and dead > self.max_fraction * received:
            reason = max(outcomes.dead_letter, key=lambda name: outcomes.dead_letter[name], default="see the topic")
            raise TooManyDeadLetters(
                f"{dead:,} of the last {received:,} messages became dead letters (lately: {reason}). Nothing is lost: "
                "they are on the topic of dead letters. Mend the cause, or raise dead_letters.max_fraction"
            )


class Worker:
    """Runs the pipeline on what its source hands out.

    Commit order of a batch:
    1. the object store is written and committed (in the pipeline);
    2. scores, embeddings and dead letters are produced;
    3. the positions behind the batch are added;
    4. the transaction that holds 2 and 3 is committed.
    A worker that dies anywhere before 4 leaves nothing behind but what the store holds, and that is idempotent: whoever
    gets the lanes next begins at the same positions.
    """

    def __init__(
        self,
        source: KafkaSource,
        pipeline: Pipeline,
        transactions: Transactions,
        letters: SaidLetters,
        metrics: WorkerMetrics,
        health: Health,
        limit: DeadLetterLimit,
        topics: Topics,
        slot: str,
        last_word: Callable[[], bytes | None],
        max_alerts: int,
        max_wait_s: float,
    ) -> None:
        """`letters` is where the pipeline's dead letters go; `last_word` gives what was last said on the topic of
        status under this slot, by whomever.
        """
        self._source, self._pipeline, self._transactions = source, pipeline, transactions
        self.health = health
        self._letters, self._metrics, self._limit = letters, metrics, limit
        self._topics, self._slot, self._last_word = topics, slot, last_word
        self._max_alerts, self._max_wait_s = max_alerts, max_wait_s
        self._wait_s = 0.0
        self._reported = 0.0
        self._held: frozenset[Lane] = frozenset()
        """The partitions that were ours at the last report."""
        self._began_unix_s = time()
        self._own_word: _Word | None = None
        """What this worker said last."""

    def run(self, is_stopping: Callable[[], bool]) -> None:
        """Works until told to stop; a batch in hand is finished. UserError where the worker cannot go on."""
        try:
            self._work(is_stopping)
        except ShutOut:
            if self._has_successor():
                raise slot_taken(self._slot) from None
            raise
        except KafkaFailure:  # whoever does not answer hears no last word either
            raise
        except Exception as error:
            kind = DEAD_LETTER_LIMIT if isinstance(error, TooManyDeadLetters) else ENDED
            self._metrics.failed(kind, str(error))
            self._say_goodbye()
            raise
        self._say_goodbye()
        log.info("stopped after %d alerts", self._metrics.status().outcomes.received)

    def _work(self, is_stopping: Callable[[], bool]) -> None:
        held: Sequence[Packet] = ()
        while not is_stopping():
            packets = held or self._source.poll(self._max_alerts, self._max_wait_s)
            self.health.polled()
            held = ()
            if packets and not self._take(packets):
                self._wait(is_stopping)
                held = self._source.keep(packets)
                if not held:
                    self._go_on()
            self._report_if_due()

    def _take(self, packets: Sequence[Packet]) -> bool:
        """Takes a batch all the way; False where it was taken back and must be tried again."""
        before = dict(self._pipeline.seconds)
        try:
            self._transactions.begin()
            outcomes = self._pipeline.process(packets)
            started = monotonic()
            self._transactions.commit(self._source.positions(packets), self._source.proof)
        except (StoreAway, TakenBack) as error:
            self._take_back(error)
            return False
        self._source.committed()
        self._letters.committed()
        self._wait_s = 0.0
        self._go_on()
        spent = {stage: total - before.get(stage, 0.0) for stage, total in self._pipeline.seconds.items()}
        self._count(packets, outcomes, spent | {"transaction": monotonic() - started})
        self._limit.check(outcomes)
        return True

    def _go_on(self) -> None:
        """Waits for nothing any more: the batch in hand is done, or another's; the next one will tell."""
        self.health.ready("store", True)
        self._metrics.enter("running")

    def _take_back(self, error: StoreAway | TakenBack) -> None:
        is_store = isinstance(error, StoreAway)
        if is_store:
            self.health.ready("store", False)
        self._metrics.failed("store_away" if is_store else "taken_back", str(error))
        self._metrics.enter("waiting")
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S) or FIRST_WAIT_S
        log.warning("%s; the batch is tried again in %.2g s", error, self._wait_s, extra=about(like=str(error)))
        self._letters.taken_back()
        self._transactions.abort()

    def _wait(self, is_stopping: Callable[[], bool]) -> None:
        """Lets time pass without leaving the group; partitions may come and go meanwhile."""
        until = monotonic() + self._wait_s
        while not is_stopping() and (left := until - monotonic()) > 0:
            self._source.keep_alive(min(left, TURN_S))
            self.health.polled()
            self._report_if_due()
        self._source.keep_alive()

    def _count(self, packets: Sequence[Packet], outcomes: Outcomes, stage_seconds: dict[str, float]) -> None:
        now = time()
        latency_s = np.array([np.nan if p.published_unix_s is None else now - p.published_unix_s for p in packets])
        self._metrics.batch(outcomes, stage_seconds, sum(len(packet.payload) for packet in packets), latency_s)

    def _report_if_due(self) -> None:
        if monotonic() - self._reported >= REPORT_S:
            self._report()

    def _report(self) -> None:
        """Says on its topic how this worker does, in a transaction of its own; positions of new lanes go along."""
        self._reported = monotonic()
        self._show_lanes(frozenset(self._source.lanes))
        self._metrics.lag(self._source.lag())
        self._metrics.parked(self._source.parked)
        self._metrics.missing(self._source.missing)
        status = self._metrics.status()
        try:
            self._transactions.begin()
            self._transactions.send(self._topics.status, self._slot.encode(), status.model_dump_json().encode())
            self._transactions.commit(self._source.positions(()), self._source.proof)
        except TakenBack as error:
            self._metrics.failed("taken_back", str(error))
            self._transactions.abort()
        else:
            self._source.committed()
            self._own_word = _Word(started=status.started, updated=status.updated)

    def _show_lanes(self, lanes: frozenset[Lane]) -> None:
        self.health.ready("assigned", bool(lanes))
        self._metrics.assigned(lanes)
        if lanes != self._held:
            topics = {(lane.cluster, lane.topic) for lane in lanes}
            log.info("ready: %d partitions of %d topics", len(lanes), len(topics))
            self._held = lanes

    def _say_goodbye(self) -> None:
        """The last word of a worker that ends by itself; where it cannot be said, its silence says it."""
        self._metrics.enter("stopping")
        try:
            self._transactions.abort()
            self._report()
        except UserError as error:
            log.warning("%s; ends without a last word", error)

    def _has_successor(self) -> bool:
        """Whether another worker speaks under this slot by now; a new start would only shut it out in turn."""
        until = monotonic() + SUCCESSOR_S
        while monotonic() < until:
            newest = self._last_word()
            if newest is not None and self._is_rivals(newest):
                return True
            self.health.polled()
            sleep(TURN_S)
        return False

    def _is_rivals(self, word: bytes) -> bool:
        """Whether another worker has said this, later than our last word; before our first, later than our start."""
        try:
            said = _Word.model_validate_json(word)
        except ValidationError:  # nobody's word
            return False
        if self._own_word is None:
            return said.updated.timestamp() > self._began_unix_s
        return said.started != self._own_word.started


class _Word(BaseModel):
    """What matters here of a worker's status."""

    started: AwareDatetime
    """No two workers of one slot share it."""
    updated: AwareDatetime
