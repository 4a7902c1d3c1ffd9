"""One worker's own figures: on a Prometheus registry of its own, and as the status message it publishes."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import get_args

import numpy as np
from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics

from schemas.alert import QUALITY_FLAGS
from schemas.codec import REASONS
from schemas.light_curve import FloatArray
from schemas.taxonomy import CLASSES, MODALITIES
from streamer.kafka.lane import Lane
from streamer.metrics import definitions
from streamer.metrics.recent import RecentRate, RecentValues
from streamer.metrics.sun import SITES, Site, altitude_deg
from streamer.outcomes import PROCESSING_ERROR, UNCLASSIFIED, Outcomes
from streamer.status import (
    FAILURE_KINDS,
    LastError,
    LatencyStatus,
    ModelStatus,
    OutcomeStatus,
    ParkedLane,
    WorkerState,
    WorkerStatus,
)

RATE_WINDOW_S = 60
"""The rate of a status is over so long [s]: a visit of LSST and its pause, 39 s, fit in."""

LATENCY_WINDOW_S = 300.0
"""The quantiles of a status are over so long [s]."""

LATENCIES_MOST = 10_000
"""... and over so many messages at most."""


class WorkerMetrics:
    """Counts and measures one worker. The worker's thread tells, any thread may read `registry`."""

    def __init__(
        self,
        *,
        deployment: str,
        slot: str,
        host: str,
        software: str,
        model: str,
        model_version: str,
        bundle_hash: str,
        store: str,
        metrics_url: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.registry = CollectorRegistry()
        self._clock = clock
        self._identity = {"deployment": deployment, "slot": slot, "host": host, "software": software, "store": store}
        self._model = ModelStatus(name=model, version=model_version, hash=bundle_hash)
        self._metrics_url = metrics_url
        self._started_unix_s = clock()
        self._state: WorkerState = "starting"
        self._outcomes = Outcomes()
        self._assigned: frozenset[Lane] = frozenset()
        self._lag: dict[Lane, int] = {}
        self._parked: dict[Lane, str] = {}
        self._absent: list[str] = []
        self._last_error: LastError | None = None
        self._rate = RecentRate(RATE_WINDOW_S, self._started_unix_s)
        self._latency = RecentValues(LATENCY_WINDOW_S, LATENCIES_MOST)
        self._make_metrics()

    def selects(self, survey: str, selections: Iterable[str]) -> None:
        """Takes the names of a survey's selections, to be shown from zero on."""
        for name in selections:
            self._selected.labels(survey, name)

    def enter(self, state: WorkerState) -> None:
        """Says what the worker is at. That it is running follows from `assigned`, that it is parked from `parked`."""
        self._state = state
        self._show_state()

    def batch(
        self, outcomes: Outcomes, stage_seconds: Mapping[str, float], size_bytes: int, latency_s: FloatArray
    ) -> None:
        """Counts one committed batch. `latency_s`, (n,): from publishing to commit, by message; NaN is left out.

        Where the clocks differ so far that a message seems to come from the future, its latency is 0.
        """
        now = self._clock()
        self._outcomes.add(outcomes)
        self._count_outcomes(outcomes)
        self._received.inc(size_bytes)
        self._batch.observe(outcomes.received)
        for stage, seconds in stage_seconds.items():
            self._stage.observe(seconds, stage)
        known = np.maximum(latency_s[~np.isnan(latency_s)], 0.0)
        self._latency_histogram.observe(known)
        self._last_batch.set(now)
        self._rate.add(outcomes.received, now)
        self._latency.add(known, now)

    def assigned(self, lanes: Collection[Lane]) -> None:
        """Takes the partitions that are the worker's from now on; what was known of others is forgotten."""
        if self._state == "starting":
            self._state = "running"
        if frozenset(lanes) != self._assigned:
            self._assignments.inc()
        self._assigned = frozenset(lanes)
        self._assigned_lanes.set(len(self._assigned))
        self.lag({lane: count for lane, count in self._lag.items() if lane in self._assigned})
        self.parked({lane: reason for lane, reason in self._parked.items() if lane in self._assigned})

    def lag(self, messages: Mapping[Lane, int]) -> None:
        """Takes how many messages of each partition are published and not yet taken; others are no longer shown."""
        for lane in self._lag.keys() - messages.keys():
            self._lag_messages.remove(*lane)
        for lane, count in messages.items():
            self._lag_messages.labels(*lane).set(count)
        self._lag = dict(messages)

    def parked(self, reasons: Mapping[Lane, str]) -> None:
        """Takes which partitions wait, and why; others are no longer shown."""
        for lane, reason in self._parked.items() - reasons.items():
            self._parked_lane.remove(*lane, reason)
        for lane, reason in reasons.items():
            self._parked_lane.labels(*lane, reason).set(1)
        self._parked = dict(reasons)
        self._show_state()

    def missing(self, lines: Sequence[str]) -> None:
        """Takes which configured topics and clusters are not there now, a line each."""
        self._absent = list(lines)
        self._missing_topics.set(len(lines))

    def failed(self, kind: str, text: str) -> None:
        """Counts something that went wrong and keeps it as the last error."""
        self._failures.labels(kind).inc()
        self._last_error = LastError(when=_utc(self._clock()), kind=kind, text=text)

    def logged(self, level: str) -> None:
        """Counts a log line of warning and above; `level` is its name in small letters."""
        self._log_lines.labels(level).inc()

    def status(self) -> WorkerStatus:
        """The worker at this moment."""
        now = self._clock()
        lag: Counter[str] = Counter()
        for lane, count in self._lag.items():
            lag[f"{lane.cluster}:{lane.topic}"] += count
        p50, p95, p99 = self._latency.quantiles((0.5, 0.95, 0.99), now)
        return WorkerStatus(
            **self._identity,
            pid=os.getpid(),
            started=_utc(self._started_unix_s),
            updated=_utc(now),
            state=self._shown_state(),
            model=self._model,
            assigned=len(self._assigned),
            lag=dict(lag),
            rate=self._rate.per_second(now),
            outcomes=OutcomeStatus(
                received=self._outcomes.received,
                scored=self._outcomes.scored,
                filtered=dict(self._outcomes.filtered),
                duplicate=self._outcomes.duplicate,
                dead_letter=dict(self._outcomes.dead_letter),
            ),
            latency=LatencyStatus(p50=p50, p95=p95, p99=p99),
            parked=[ParkedLane(**lane._asdict(), reason=reason) for lane, reason in sorted(self._parked.items())],
            missing=self._absent,
            last_error=self._last_error,
            metrics_url=self._metrics_url,
        )

    def _sun_altitude_deg(self, site: Site) -> float:
        return altitude_deg(self._clock(), site)

    def _shown_state(self) -> WorkerState:
        all_parked = bool(self._parked) and self._parked.keys() >= self._assigned
        return "parked" if self._state == "running" and all_parked else self._state

    def _show_state(self) -> None:
        shown = self._shown_state()
        for state in get_args(WorkerState):
            self._worker_state.labels(state).set(state == shown)

    def _make_metrics(self) -> None:
        # Prometheus sees a restart by itself; these would be a second series for each.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        ProcessCollector(registry=self.registry)
        self._messages = definitions.MESSAGES.made(self.registry)
        self._alerts = definitions.ALERTS.made(self.registry)
        self._scores = definitions.SCORES.made(self.registry)
        self._young = definitions.YOUNG.made(self.registry)
        self._selected = definitions.SELECTED.made(self.registry)
        self._unclassified = definitions.UNCLASSIFIED.made(self.registry)
        self._uncalibrated = definitions.UNCALIBRATED.made(self.registry)
        self._top_score = definitions.TOP_SCORE.made(self.registry)
        self._set_size = definitions.SET_SIZE.made(self.registry)
        self._novelty = definitions.NOVELTY.made(self.registry)
        self._missing = definitions.MISSING.made(self.registry)
        self._real_score = definitions.REAL_SCORE.made(self.registry)
        self._quality = definitions.QUALITY.made(self.registry)
        self._received = definitions.RECEIVED.made(self.registry)
        self._batch = definitions.BATCH.made(self.registry)
        self._stage = definitions.STAGE.made(self.registry)
        self._latency_histogram = definitions.LATENCY.made(self.registry)
        self._last_batch = definitions.LAST_BATCH.made(self.registry)
        self._assigned_lanes = definitions.ASSIGNED.made(self.registry)
        self._assignments = definitions.ASSIGNMENTS.made(self.registry)
        self._lag_messages = definitions.LAG.made(self.registry)
        self._missing_topics = definitions.MISSING_TOPICS.made(self.registry)
        self._parked_lane = definitions.PARKED.made(self.registry)
        self._worker_state = definitions.STATE.made(self.registry)
        self._show_state()
        self._failures = definitions.FAILURES.made(self.registry)
        self._log_lines = definitions.LOG_LINES.made(self.registry)
        for level in definitions.LOG_LEVELS:
            self._log_lines.labels(level)  # from 0 on
        who = self._identity
        build = definitions.BUILD.made(self.registry)
        build.labels(who["deployment"], who["slot"], who["host"], who["software"]).set(1)
        model = definitions.MODEL.made(self.registry)
        model.labels(self._model.name, self._model.version, self._model.hash).set(1)
        definitions.STORE.made(self.registry).labels(who["store"]).set(1)
        altitude = definitions.SUN.made(self.registry)
        for survey, site in SITES.items():
            altitude.labels(survey).set_function(partial(self._sun_altitude_deg, site))
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Shows what may be counted before it is: Prometheus takes no notice of a series' first value."""
        self._messages.labels("scored", "")
        self._messages.labels("duplicate", "")
        for reason in (*REASONS, PROCESSING_ERROR):
            self._messages.labels("dead_letter", reason)
        for kind in FAILURE_KINDS:
            self._failures.labels(kind)
        for survey in SITES:
            self._alerts.labels(survey)
            self._uncalibrated.labels(survey)
            for name in (*CLASSES, UNCLASSIFIED):
                self._scores.labels(survey, name)
                self._young.labels(survey, name)
            for modality in MODALITIES:
                self._missing.labels(survey, modality)
            for flag in QUALITY_FLAGS:
                self._quality.labels(survey, flag)
            for histogram in (self._top_score, self._set_size, self._novelty, self._real_score):
                histogram.observe((), survey)

    def _count_outcomes(self, outcomes: Outcomes) -> None:
        self._messages.labels("scored", "").inc(outcomes.scored)
        self._messages.labels("duplicate", "").inc(outcomes.duplicate)
        for reason, count in outcomes.filtered.items():
            self._messages.labels("filtered", reason).inc(count)
        for reason, count in outcomes.dead_letter.items():
            self._messages.labels("dead_letter", reason).inc(count)
        for reason, count in outcomes.unclassified.items():
            self._unclassified.labels(reason).inc(count)
        for counter, counts in ((self._alerts, outcomes.alerts), (self._uncalibrated, outcomes.uncalibrated)):
            for survey, count in counts.items():
                counter.labels(survey).inc(count)
        pairs = (
            (self._scores, outcomes.classes),
            (self._young, outcomes.young),
            (self._selected, outcomes.selections),
            (self._missing, outcomes.missing),
            (self._quality, outcomes.flags),
        )
        for counter, by_survey in pairs:
            for labels, count in by_survey.items():
                counter.labels(*labels).inc(count)
        values = (
            (self._top_score, outcomes.top_scores),
            (self._set_size, outcomes.set_sizes),
            (self._novelty, outcomes.novelties),
            (self._real_score, outcomes.real_scores),
        )
        for histogram, seen in values:
            for survey in {survey for survey, _ in seen}:
                of_survey = {value: count for (name, value), count in seen.items() if name == survey}
                histogram.observe(list(of_survey), survey, times=list(of_survey.values()))


def _utc(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
