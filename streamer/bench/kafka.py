"""The service end to end, through Kafka and the stores: how fast a backlog drains, how soon a score is out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time, sleep, time
from typing import Any

import numpy as np

from schemas.messages import read_scored_alert
from schemas.taxonomy import MODALITIES
from streamer.bench.alerts import AlertPool
from streamer.bench.deployment import Deployment, StoreKind
from streamer.bench.offering import Offer, Subscriber
from streamer.bench.processes import cpu_s, local_server
from streamer.bench.workloads import Workload, workloads
from streamer.errors import UserError
from streamer.settings import Settings

POOL_PACKETS = 256
"""Packets of each survey that all alerts are made from."""

AHEAD = 6_000
"""Alerts that wait on the topics at most; the rest is sent as scores come."""

AIM_ALERTS_PER_S = 540
"""What we want to drain on two cores, broker included: twice the mean rate of a night [1/s]."""

AIM_P99_MS = 500
"""... and how soon 99 of 100 scores are to be out at the mean rate [ms]."""

FROM, TO = 0.1, 0.9
"""Rates are taken between these shares of the alerts: workers warm up before, and run dry after."""

WARM_UP_S = 5.0
"""Alerts of the latency bench that are sent, and not counted, before the others [s]."""

LEAST_ALERTS = 10
"""The latency bench times so many alerts at least."""

LOOK_S = 0.02
"""The bench looks this often how far the scores are [s]."""

STALL_S = 60.0
"""Without a score for so long the bench gives up [s]."""

SETTLE_S = 1.0
"""After the last score the subscriber listens on: would one come twice? [s]"""

BUSY = 0.85
"""Cores used beyond this share bound the rate."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Moment:
    """How far everything was at one time."""

    unix_s: float
    scores: int
    workers: Counter[str]
    """Sum of the workers' metrics."""
    rss_mb: tuple[float, ...]
    """Memory of each worker [MB]."""
    cpu_s: dict[str, float]
    """CPU time of the processes of this machine, by what they are [s]."""


class Watch:
    """Looks at a deployment from outside."""

    def __init__(self, deployment: Deployment, subscriber: Subscriber) -> None:
        self._deployment, self._subscriber = deployment, subscriber
        settings = deployment.settings
        places = {"broker": settings.kafka.bootstrap.partition(",")[0]}
        if deployment.store == "mongodb":
            places["MongoDB"] = settings.state.mongodb.uri.partition("://")[2].partition("/")[0]
        found = {name: local_server(place) for name, place in places.items()}
        self._servers = {name: pid for name, pid in found.items() if pid is not None}

    def moment(self) -> Moment:
        """How far everything is now."""
        each = self._deployment.figures()
        workers = sum(each, Counter[str]())
        cpu = {"workers": float(workers["process_cpu_seconds_total"]), "bench": process_time()}
        cpu |= {name: cpu_s(pid) for name, pid in self._servers.items()}
        rss_mb = tuple(figures["process_resident_memory_bytes"] / 1e6 for figures in each)
        return Moment(time(), self._subscriber.count, workers, rss_mb, cpu)

    def is_everyone_at_work(self) -> bool:
        """Whether each worker has committed a batch."""
        each = self._deployment.figures()
        return len(each) == self._deployment.workers and all(one["streamer_messages_total:scored"] for one in each)


def bench_kafka(
    settings: Settings, data: Path | None, alerts: int, workers: Sequence[int], store: StoreKind, progress: Progress
) -> dict[str, Any]:
    """Drains a backlog with each number of workers, over an empty store and then over what that has left.

    The second time the same objects come again, as other alerts. UserError where a server is away, where a score is
    missing or came twice.
    """
    if store == "sqlite" and any(count > 1 for count in workers):
        raise UserError("the sqlite store serves one worker: add --workers 1, or --store mongodb")
    works = workloads(data, POOL_PACKETS)
    pool = AlertPool(works)
    cases = []
    for count in workers:
        progress(f"{count} workers: topics, and {alerts:,} spectra for the store")
        with Deployment(settings, store, count) as deployment:
            deployment.put_spectra(pool, alerts)
            with _subscribed(deployment) as subscriber:
                for visit, filled in enumerate((False, True)):
                    progress(f"{count} workers, {'filled' if filled else 'empty'} store: alerts are sent")
                    case = {"workers": count, "store": store, "filled": filled}
                    cases.append(case | _drain(deployment, subscriber, pool, alerts, visit, progress))
    return _conditions(works) | {"cases": cases, "aim_alerts_per_s": AIM_ALERTS_PER_S}


def bench_latency(
    settings: Settings, data: Path | None, rate_per_s: float, duration_s: float, workers: int, store: StoreKind,
    progress: Progress,
) -> dict[str, Any]:  # fmt: skip
    """Sends alerts evenly in time; times each from its message's timestamp until a subscriber has its score.

    UserError as `bench_kafka`.
    """
    warm_up, count = round(rate_per_s * WARM_UP_S), round(rate_per_s * duration_s)
    if count < LEAST_ALERTS:
        raise UserError(
            f"{rate_per_s:g} alerts/s for {duration_s:g} s are {count}, and {LEAST_ALERTS} are needed at least: "
            "raise --rate or --duration"
        )
    works = workloads(data, POOL_PACKETS)
    pool = AlertPool(works)
    progress(f"topics, and {warm_up + count:,} spectra for the store")
    with Deployment(settings, store, workers) as deployment:
        deployment.put_spectra(pool, warm_up + count)
        with _subscribed(deployment) as subscriber, deployment.running():
            progress("workers start")
            deployment.wait_ready()
            offer = Offer(deployment.home, deployment.survey_topics, pool, visit=0)
            watch = Watch(deployment, subscriber)
            progress(f"{rate_per_s:g} alerts/s for {WARM_UP_S:g} s, not counted")
            offer.send_at(rate_per_s, warm_up)
            progress(f"{rate_per_s:g} alerts/s for {duration_s:g} s")
            start = watch.moment()
            late_s = offer.send_at(rate_per_s, count)
            end = watch.moment()
            offer.flush()
            _wait_for(deployment, subscriber, warm_up + count, lambda: None)
            sleep(SETTLE_S)
            last = watch.moment()
        _check(offer, subscriber)
    sent = list(offer.sent_unix_s.items())[warm_up:]
    latency_ms = np.array([1000 * (subscriber.arrived_unix_s[key] - sent_unix_s) for key, sent_unix_s in sent])
    p50, p95, p99 = np.percentile(latency_ms, (50, 95, 99))
    return _conditions(works) | {
        "workers": workers,
        "store": store,
        "rate_per_s": rate_per_s,
        "duration_s": duration_s,
        "alerts": count,
        "sent_per_s": round((count - 1) / (sent[-1][1] - sent[0][1]), 1),
        "sent_late_ms_max": round(1000 * late_s, 1),
        "p50_ms": round(float(p50), 1),
        "p95_ms": round(float(p95), 1),
        "p99_ms": round(float(p99), 1),
        "max_ms": round(float(latency_ms.max()), 1),
        "aim_p99_ms": AIM_P99_MS,
        **_costs(start, end),
        **_outcomes(last),
        "modalities": _modalities(subscriber.samples),
        "bounded_by": _bounded_by(start, end, workers),
    }


def _drain(
    deployment: Deployment, subscriber: Subscriber, pool: AlertPool, alerts: int, visit: int, progress: Progress
) -> dict[str, Any]:
    """Lets the workers score alerts that wait for them."""
    subscriber.forget()
    offer = Offer(deployment.home, deployment.survey_topics, pool, visit)
    offer.send(min(alerts, AHEAD))
    offer.flush()
    watch = Watch(deployment, subscriber)
    marks: list[Moment] = []
    """At the first score, at the beginning and end of what is measured, and half-way between."""

    def look() -> None:
        progress(f"{subscriber.count:,} of {alerts:,} scores")
        offer.send(min(alerts, subscriber.count + AHEAD) - len(offer.sent_unix_s))
        share = subscriber.count / alerts
        due = (0.0, FROM, (FROM + TO) / 2, TO, 2.0)[len(marks)]
        if subscriber.count and share >= due and (len(marks) != 1 or watch.is_everyone_at_work()):
            marks.append(watch.moment())

    with deployment.running():
        _wait_for(deployment, subscriber, alerts, look)
        sleep(SETTLE_S)
        last = watch.moment()
    _check(offer, subscriber)
    if not marks:
        raise UserError(f"{alerts:,} alerts were scored all at once, which gives no rate: raise --alerts")
    start, end = (marks[1], marks[3]) if len(marks) == 4 else (marks[0], last)
    half_way = marks[min(2, len(marks) - 1)]
    rss_mb = {"start": marks[0].rss_mb, "middle": half_way.rss_mb, "end": last.rss_mb}
    return {
        "alerts": alerts,
        "measured_alerts": end.scores - start.scores,
        "alerts_per_s": round((end.scores - start.scores) / (end.unix_s - start.unix_s), 1),
        **_costs(start, end),
        **_outcomes(last),
        "rss_mb": {name: [round(mb) for mb in each] for name, each in rss_mb.items()},
        "modalities": _modalities(subscriber.samples),
        "bounded_by": _bounded_by(start, end, deployment.workers),
    }


@contextmanager
def _subscribed(deployment: Deployment) -> Iterator[Subscriber]:
    plans = deployment.topics.plans()
    topics = (deployment.topics.scored, deployment.topics.scored_restricted)
    subscriber = Subscriber(deployment.home, {topic: plans[topic].partitions for topic in topics})
    try:
        yield subscriber
    finally:
        subscriber.close()


def _wait_for(deployment: Deployment, subscriber: Subscriber, count: int, look: Callable[[], None]) -> None:
    """Waits until so many scores are there; UserError where no more come."""
    had, until = 0, monotonic() + 2 * STALL_S
    while subscriber.count < count:
        deployment.check()
        if subscriber.count > had:
            had, until = subscriber.count, monotonic() + STALL_S
        elif monotonic() > until:
            raise UserError(
                f"only {had:,} of {count:,} alerts are scored, and no more come; the workers' log ends:\n"
                f"{deployment.log_end()}"
            )
        look()
        sleep(LOOK_S)


def _check(offer: Offer, subscriber: Subscriber) -> None:
    """UserError unless each alert has exactly one score."""
    missing = offer.sent_unix_s.keys() - subscriber.arrived_unix_s.keys()
    foreign = subscriber.arrived_unix_s.keys() - offer.sent_unix_s.keys()
    if missing or foreign or subscriber.again:
        raise UserError(
            f"of {len(offer.sent_unix_s):,} alerts {len(missing):,} have no score; {len(subscriber.again):,} scores "
            f"came twice, {len(foreign):,} belong to nothing that was sent: please report this"
        )


def _costs(start: Moment, end: Moment) -> dict[str, Any]:
    """What an alert cost between two moments, by stage and by process [ms]."""
    spent = end.workers - start.workers
    alerts = max(spent["streamer_messages_total:scored"], 1.0)
    stage = "streamer_stage_seconds_sum:"
    return {
        "batch_alerts": round(alerts / max(spent["streamer_batch_messages_count"], 1.0), 1),
        "stage_ms": {
            name.removeprefix(stage): round(1000 * value / alerts, 4)
            for name, value in spent.items()
            if name.startswith(stage)
        },
        "cpu_ms": {name: round(1000 * (end.cpu_s[name] - start.cpu_s[name]) / alerts, 4) for name in start.cpu_s},
        "cores_used": round(sum(_cores(start, end).values()), 2),
    }


def _outcomes(last: Moment) -> dict[str, Any]:
    """What became of all alerts, as the workers counted."""
    scored, unclassified = "streamer_messages_total:", "streamer_unclassified_total:"
    return {
        "outcomes": {
            name.removeprefix(scored): int(value)
            for name, value in last.workers.items()
            if name.startswith(scored) and value
        },
        "unclassified": int(sum(value for name, value in last.workers.items() if name.startswith(unclassified))),
    }


def _cores(start: Moment, end: Moment) -> dict[str, float]:
    """Cores that each kind of process kept busy between two moments."""
    return {name: (end.cpu_s[name] - start.cpu_s[name]) / (end.unix_s - start.unix_s) for name in start.cpu_s}


def _bounded_by(start: Moment, end: Moment, workers: int) -> str:
    """What held the rate where it was, as CPU and stages say."""
    cores, there = _cores(start, end), len(os.sched_getaffinity(0))
    shares = ", ".join(f"{name} {used:.2f}" for name, used in cores.items())
    used = sum(cores.values())
    stage = "streamer_stage_seconds_sum:"
    spent = {name: value for name, value in (end.workers - start.workers).items() if name.startswith(stage)}
    busy = min(sum(spent.values()) / ((end.unix_s - start.unix_s) * workers), 1.0)  # a batch is counted at its end
    longest = max(spent, key=lambda name: spent[name], default="").removeprefix(stage)
    if used >= BUSY * there:
        return f"CPU: {used:.2f} of {there} cores used ({shares}); workers {busy:.0%} busy, most of it in {longest}"
    if busy >= BUSY:
        return f"the workers: {busy:.0%} busy, most of it in {longest}; {used:.2f} of {there} cores used ({shares})"
    return f"nothing of ours: workers {busy:.0%} busy, {used:.2f} of {there} cores used ({shares})"


def _modalities(samples: Sequence[bytes]) -> dict[str, float]:
    """Share of the sampled scores that each modality went into."""
    used = Counter(str(name) for value in samples for name in read_scored_alert(value).modalities)
    return {name: round(used[name] / max(len(samples), 1), 3) for name in MODALITIES}


def _conditions(works: Sequence[Workload]) -> dict[str, Any]:
    """On what, and where, was measured."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average": round(os.getloadavg()[0], 1),
        "packets": {work.survey: work.source for work in works},
        "pool_packets": {work.survey: len(work.payloads) for work in works},
        "packet_bytes": {work.survey: round(sum(map(len, work.payloads)) / len(work.payloads)) for work in works},
        "spectra": "made up, one for each object",
    }
