"""The spine: the way of an alert from bytes to scores, read from top to bottom. It knows nothing of Kafka or files."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from schemas.alert import AlertBatch
from schemas.packet import Packet
from schemas.records import DeadLetter
from schemas.scored import ScoredBatch
from schemas.stamps import primary_images
from schemas.surveys.reading import Rejected
from streamer.outcomes import Outcomes
from streamer.processors.assemble import Assemble
from streamer.processors.classify import Classify
from streamer.processors.decode import Decode
from streamer.processors.deduplicate import Deduplicate
from streamer.processors.select import Select
from streamer.sinks.base import DeadLetterSink, Sink
from streamer.state.store import ObjectStore, StoreError


@dataclass
class Pipeline:
    """decode -> deduplicate -> assemble -> select -> classify -> publish, a batch at a time, in one thread.

    Commit order of a batch:
    1. the object store is written and committed;
    2. the outputs are handed to the sinks;
    3. positions are the caller's, after `process` has returned.
    A crash between two of these makes the batch come again, with the same coordinates, and every write is idempotent.
    """

    decode: Decode
    deduplicate: Deduplicate
    assemble: Assemble
    select: Select
    classify: Classify
    store: ObjectStore
    sinks: Sequence[Sink]
    dead_letters: DeadLetterSink
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Time spent in each stage since the start [s]."""

    def process(self, packets: Sequence[Packet | Rejected]) -> Outcomes:
        """Takes one batch all the way; every packet ends in exactly one counted outcome."""
        outcomes = Outcomes(received=len(packets))
        scored: list[ScoredBatch] = []
        with self._transaction():
            with self._stage("decode"):
                batches, rejected = self.decode([p for p in packets if isinstance(p, Packet)])
            letters = [_letter(r, "source") for r in packets if isinstance(r, Rejected)]
            letters += [_letter(r, "decode") for r in rejected]
            for alerts in batches:
                with self._stage("deduplicate"):
                    fresh, duplicates = self.deduplicate(alerts)
                outcomes.duplicate += duplicates
                self._isolating_bad_alerts(self._score, fresh, scored, letters, outcomes)
        with self._stage("publish"):
            for batch in scored:
                for sink in self.sinks:
                    sink.write(batch)
            if letters:
                self.dead_letters.write(letters)
        outcomes.dead_letter.update(letter.reason for letter in letters)
        outcomes.check()
        return outcomes

    def _score(self, alerts: AlertBatch, outcomes: Outcomes) -> list[ScoredBatch]:
        """Assembles, selects and classifies alerts of one survey; writes the store only when all of it has worked."""
        with self._stage("assemble"):
            assembled = self.assemble(alerts)
        with self._stage("select"):
            selected = self.select(alerts)
        chosen = np.array([i for i, reason in enumerate(selected.reason) if reason is None], dtype=np.int64)
        with self._stage("classify"):
            scored = self.classify(assembled, selected, chosen) if len(chosen) else None
        with self._stage("store"):
            self.assemble.remember(assembled)
            if scored is not None:
                self.store.put_scores(scored)
                stamps = [primary_images(alerts.cutouts[i]) for i in chosen]
                self.store.put_cutouts(scored.survey, scored.alert_id, stamps)
        outcomes.filtered.update(reason for reason in selected.reason if reason is not None)
        if scored is None:
            return []
        outcomes.scored += len(scored)
        outcomes.classes.update((scored.survey, name or "unclassified") for name in scored.predicted_class)
        outcomes.unclassified.update(reason for reason in scored.unclassified_reason if reason is not None)
        return [scored]

    def _isolating_bad_alerts(
        self,
        score: Callable[[AlertBatch, Outcomes], list[ScoredBatch]],
        alerts: AlertBatch,
        scored: list[ScoredBatch],
        letters: list[DeadLetter],
        outcomes: Outcomes,
    ) -> None:
        """Halves a failing batch until the one bad alert is alone, so that it never takes its neighbours along."""
        if not len(alerts):
            return
        try:
            scored += score(alerts, outcomes)
        except (StoreError, MemoryError):
            raise  # not the alert's fault
        except Exception as error:  # noqa: BLE001  whatever one alert provokes, it becomes that alert's dead letter
            if len(alerts) == 1:
                where = traceback.extract_tb(error.__traceback__)[-1]
                detail = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
                letters.append(_letter(Rejected(alerts.packets[0], "processing_error", detail), "score"))
                return
            middle = len(alerts) // 2
            for half in (np.arange(middle), np.arange(middle, len(alerts))):
                self._isolating_bad_alerts(score, alerts.take(half), scored, letters, outcomes)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.store.begin()
        try:
            yield
        except BaseException:
            self.store.rollback()
            raise
        with self._stage("commit"):
            self.store.commit()

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        started = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += perf_counter() - started


def _letter(rejected: Rejected, stage: str) -> DeadLetter:
    packet = rejected.packet
    return DeadLetter.of(packet, reason=rejected.reason, stage=stage, detail=rejected.detail)
