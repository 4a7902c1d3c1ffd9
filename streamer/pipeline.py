"""The spine: the way of an alert from bytes to scores, read from top to bottom. It knows nothing of Kafka or files."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np

from schemas.light_curve import IntArray
from schemas.packet import Packet
from schemas.stamps import primary_images
from schemas.surveys.reading import Rejected
from streamer.outcomes import PROCESSING_ERROR, Outcomes, Taken, letter_of
from streamer.processors.assemble import Assemble
from streamer.processors.assess import Assess
from streamer.processors.classify import Classify
from streamer.processors.decode import Decode, survey_of
from streamer.processors.deduplicate import Deduplicate, Fresh
from streamer.processors.select import Select
from streamer.sinks.base import DeadLetterSink, Sink
from streamer.state.store import ObjectStore, StoreError


@dataclass
class Pipeline:
    """decode -> deduplicate -> assemble -> assess -> select -> classify -> publish, a batch at a time, in one thread.

    Commit order of a batch:
    1. the object store is written and committed;
    2. the outputs are handed to the sinks;
    3. positions are the caller's, after `process` has returned.
    A crash between two of these makes the batch come again, with the same coordinates, and every write is idempotent.
    """

    decode: Decode
    deduplicate: Deduplicate
    assemble: Assemble
    assess: Assess
    select: Select
    classify: Classify
    store: ObjectStore
    sinks: Sequence[Sink]
    dead_letters: DeadLetterSink
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Time spent in each stage since the start [s]."""
    stage: str = ""
    """The stage at work."""
    alert_ids: Sequence[int] | IntArray = ()
    """The alerts at work, once they could be read."""

    def process(self, packets: Sequence[Packet | Rejected]) -> Outcomes:
        """Takes one batch all the way; every packet ends in exactly one counted outcome."""
        taken = Taken()
        with self._transaction(), np.errstate(all="ignore"):  # wild numbers become inf or NaN, and count as missing
            self._isolating_bad_alerts([item for item in packets if isinstance(item, Packet)], taken)
        taken.letters += [letter_of(item, "source") for item in packets if isinstance(item, Rejected)]
        with self._at("publish"):
            for batch in taken.scored:
                for sink in self.sinks:
                    sink.write(batch)
            if taken.letters:
                self.dead_letters.write(taken.letters)
        taken.outcomes.received = len(packets)
        taken.outcomes.dead_letter.update(letter.reason for letter in taken.letters)
        taken.outcomes.check()
        return taken.outcomes

    def _take(self, packets: Sequence[Packet]) -> Taken:
        """From bytes to scores, written to the store; what a failure leaves half done is the caller's to undo."""
        taken, self.alert_ids = Taken(), ()
        with self._at("decode"):
            batches, rejected = self.decode(packets)
        taken.letters += [letter_of(packet, "decode") for packet in rejected]
        for alerts in batches:
            taken.outcomes.alerts[alerts.survey] += len(alerts)
            self.alert_ids = alerts.alert_id
            with self._at("deduplicate"):
                fresh = self.deduplicate(alerts)
            taken.outcomes.duplicate += fresh.duplicates
            if len(fresh.alerts):
                self._score(fresh, taken)
        return taken

    def _score(self, fresh: Fresh, taken: Taken) -> None:
        """Assembles, assesses, selects and classifies alerts of one survey."""
        alerts = fresh.alerts
        with self._at("assemble"):
            assembled = self.assemble(alerts)
        with self._at("select"):
            likely = self.select.likely(alerts)
        with self._at("assess"):
            self.assess(assembled, likely)
        taken.outcomes.count_assessed(alerts, likely)
        with self._at("select"):
            selected = self.select(alerts, assembled.curves.light_curves)
        chosen = np.flatnonzero([reason is None for reason in selected.reason])
        with self._at("classify"):
            scored = self.classify(assembled, selected, chosen, fresh.revision) if len(chosen) else None
            stamps = [primary_images(alerts.cutouts[i]) for i in chosen]
        with self._at("store"):
            self.assemble.remember(assembled)
            if scored is not None:
                self.store.put_scores(scored)
                self.store.put_cutouts(scored.survey, scored.alert_id, stamps)
        taken.outcomes.filtered.update(reason for reason in selected.reason if reason is not None)
        if scored is not None:
            taken.scored.append(scored)
            taken.outcomes.count_scored(scored)

    def _isolating_bad_alerts(self, packets: Sequence[Packet], taken: Taken) -> None:
        """Halves a failing batch until the one bad alert is alone, so that it never takes its neighbours along."""
        if not packets:
            return
        try:
            with self.store.trial():  # a failed try must not make its neighbours duplicates of itself
                added = self._take(packets)
        except StoreError:
            raise  # not the alert's fault
        except Exception as error:  # noqa: BLE001  whatever one alert provokes, it becomes that alert's dead letter
            if len(packets) == 1:
                where = traceback.extract_tb(error.__traceback__)[-1]
                detail = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
                alert_id = int(self.alert_ids[0]) if len(self.alert_ids) else None
                rejected = Rejected(packets[0], PROCESSING_ERROR, detail, survey_of(packets[0]), alert_id)
                taken.letters.append(letter_of(rejected, self.stage))
                return
            middle = len(packets) // 2
            self._isolating_bad_alerts(packets[:middle], taken)
            self._isolating_bad_alerts(packets[middle:], taken)
        else:
            taken.add(added)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.store.begin()
        try:
            yield
        except BaseException:
            self.store.rollback()
            raise
        with self._at("commit"):
            self.store.commit()

    @contextmanager
    def _at(self, stage: str) -> Iterator[None]:
        self.stage, started = stage, perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += perf_counter() - started
