"""How the service does: what a worker says of itself, and what follows from the words of all.

A worker's word is one JSON message on the compacted status topic, its key the worker's slot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from streamer.kafka.progress import Progress

WorkerState = Literal["starting", "running", "waiting", "parked", "stopping"]
"""starting: until it takes part in its group; waiting: a dependency is away and the worker backs off; parked: each of
its partitions waits for a schema; stopping: the last word of a worker that ends by itself."""

DEAD_LETTER_LIMIT = "dead_letter_limit"
"""Kind of the failure that stops all workers: too many of the last messages could not be processed."""

ENDED = "ended"
"""Kind of whatever else ends a worker: the last thing that it says."""

FAILURE_KINDS = ("away", "store_away", "taken_back", "expired", "missing", DEAD_LETTER_LIMIT, ENDED)
"""Every kind of a worker's failures. away: a dependency at the start; store_away: the object store amid the work;
taken_back: a batch that is done again; expired: messages deleted unread; missing: a topic or a survey's cluster."""


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelStatus(_Said):
    """The classifier that answers."""

    name: str
    version: str
    hash: str
    """Of the bundle's files."""


class OutcomeStatus(_Said):
    """What became of the messages since the worker started; `received` is the sum of the others."""

    received: int = 0
    scored: int = 0
    filtered: dict[str, int] = Field(default_factory=dict)
    """By reason."""
    duplicate: int = 0
    dead_letter: dict[str, int] = Field(default_factory=dict)
    """By reason."""


class LatencyStatus(_Said):
    """From a message's publishing to its committed outcome [s]; None where no recent one says when it was published."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None


class ParkedLane(_Said):
    """A partition that waits, and why."""

    cluster: str
    topic: str
    partition: int
    reason: str


class LastError(_Said):
    """The last thing that went wrong."""

    when: AwareDatetime
    kind: str
    text: str


class WorkerStatus(_Said):
    """One worker at one moment; times are UTC."""

    deployment: str
    slot: str
    host: str
    pid: int
    software: str
    """Version of transient-streamer."""
    started: AwareDatetime
    updated: AwareDatetime
    state: WorkerState
    model: ModelStatus
    store: str
    assigned: int
    """Partitions that are this worker's."""
    lag: dict[str, int]
    """Messages published and not yet taken, by cluster:topic."""
    rate: float
    """Messages over the last minute [1/s]."""
    outcomes: OutcomeStatus
    latency: LatencyStatus
    """Over the last 5 minutes, of 10,000 messages at most."""
    parked: list[ParkedLane]
    missing: list[str]
    """Configured topics and clusters that are not there now, a line each."""
    last_error: LastError | None
    metrics_url: str

    @property
    def lag_total(self) -> int:
        """Messages published and not yet taken, over all topics."""
        return sum(self.lag.values())


Condition = Literal["live", "silent", "stopped"]
"""silent: no word for longer than `SILENT_S`; stopped: it said that it stops."""

SILENT_S = 15.0
"""A worker speaks every 5 s [s]; three words missed, and it is not well."""

FORGOTTEN_S = 86_400.0
"""A slot that was silent for a day is left out [s]: hosts come and go."""


class _Dated(BaseModel):
    """What a word of any version says: when. A word without it is no worker's."""

    updated: AwareDatetime


class SeenWorker(WorkerStatus):
    """A worker as seen from outside."""

    condition: Condition
    silence_s: float
    """Since its last word [s]."""


class Totals(OutcomeStatus):
    """All workers together: outcomes since each one's start, and what the live ones do now."""

    live: int
    """Workers that are heard of."""
    rate: float
    """Messages over the last minute [1/s]."""
    lag: int
    """Messages published and not yet taken, as the clusters say."""
    behind_s: float | None
    """What waits, at this rate [s]; None while nothing is taken."""


class DeploymentStatus(_Said):
    """A whole deployment at one moment: what `streamer status` says."""

    deployment: str
    at: AwareDatetime
    healthy: bool
    summary: str
    """In plain words, one line."""
    problems: list[str]
    """What is wrong and what to do, one line each; none where all is well."""
    missing: list[str]
    """Configured topics and clusters that a live worker misses now. By day that is no problem: the night's topic comes
    with its first alert."""
    workers: list[SeenWorker]
    lag: dict[str, int]
    """Messages published and not yet taken, by cluster:topic, as the clusters say."""
    totals: Totals


def assess(
    deployment: str, words: Mapping[str, bytes], progress: Sequence[Progress], away: Sequence[str], now: datetime
) -> DeploymentStatus:
    """Says how a deployment does from its workers' last words, by slot, and its group's progress; `away`: see there."""
    workers, unreadable = _seen(words, now)
    lag = {f"{item.cluster}:{item.topic}": item.lag for item in progress}
    totals = _totals(workers, sum(lag.values()))
    problems = [
        *_absent(workers, has_word=bool(words)),
        *_of_workers(workers),
        *_parked(workers),
        *(_expired(item) for item in progress if item.expired),
        *unreadable,
        *away,
    ]
    return DeploymentStatus(
        deployment=deployment,
        at=now,
        healthy=not problems,
        summary=_summary(totals) if totals.live else problems[0],
        problems=problems,
        missing=sorted({line for worker in workers if worker.condition == "live" for line in worker.missing}),
        workers=workers,
        lag=lag,
        totals=totals,
    )


def duration(seconds: float) -> str:
    """A time for people: 42 s, 3 min, 5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def _seen(words: Mapping[str, bytes], now: datetime) -> tuple[list[SeenWorker], list[str]]:
    """The workers by slot, and a line for each word that cannot be read; what is forgotten is left out of both."""
    workers: list[SeenWorker] = []
    unreadable: list[str] = []
    for slot, word in sorted(words.items()):
        silence_s = _silence_s(word, now)
        if silence_s > FORGOTTEN_S:
            continue
        try:
            said = WorkerStatus.model_validate_json(word)
        except ValidationError:
            unreadable.append(f"what {slot} says cannot be read: use the `streamer` of the same version as its worker")
            continue
        condition = "stopped" if said.state == "stopping" else "live" if silence_s <= SILENT_S else "silent"
        workers.append(SeenWorker(**dict(said), condition=condition, silence_s=silence_s))
    return workers, unreadable


def _silence_s(word: bytes, now: datetime) -> float:
    """How long ago a word of any version was said [s]; infinite where it does not say."""
    try:
        return max((now - _Dated.model_validate_json(word).updated).total_seconds(), 0.0)
    except ValidationError:
        return inf


def _totals(workers: Sequence[SeenWorker], lag: int) -> Totals:
    outcomes = Counter[str]()
    filtered, dead_letter = Counter[str](), Counter[str]()
    for worker in workers:
        counts = worker.outcomes
        outcomes.update(received=counts.received, scored=counts.scored, duplicate=counts.duplicate)
        filtered.update(counts.filtered)
        dead_letter.update(counts.dead_letter)
    live = [worker for worker in workers if worker.condition == "live"]
    rate = sum(worker.rate for worker in live)
    behind_s = lag / rate if rate else None if lag else 0.0
    return Totals(
        **outcomes, filtered=filtered, dead_letter=dead_letter, live=len(live), rate=rate, lag=lag, behind_s=behind_s
    )


def _summary(totals: Totals) -> str:
    who = "1 worker" if totals.live == 1 else f"{totals.live} workers"
    if not totals.lag:
        behind = "nothing waits"
    elif totals.behind_s is None:
        behind = f"{totals.lag:,} messages wait"
    else:
        behind = f"{totals.behind_s:.1f} s behind" if totals.behind_s < 10 else f"{duration(totals.behind_s)} behind"
    return f"{who}, {totals.rate:,.0f} alerts/s, {behind}"


def _absent(workers: Sequence[SeenWorker], has_word: bool) -> Iterator[str]:
    if any(worker.condition == "live" for worker in workers):
        return
    last = min(workers, key=lambda worker: worker.silence_s, default=None)
    if last is None:
        said = "no worker has been heard of for a day" if has_word else "no worker has ever been heard of"
    elif last.condition == "stopped" and not _ended(last):
        said = f"the service was stopped {duration(last.silence_s)} ago"
    else:
        said = f"no worker has been heard of for {duration(last.silence_s)}"
    yield f"{said}: start `streamer run`"


def _ended(worker: SeenWorker) -> bool:
    """Whether an error ended the worker, and nobody's wish."""
    return worker.condition == "stopped" and worker.last_error is not None and worker.last_error.kind == ENDED


def _of_workers(workers: Sequence[SeenWorker]) -> Iterator[str]:
    live = [worker for worker in workers if worker.condition == "live"]
    some_live = bool(live)
    if live and not any(worker.assigned or worker.state == "starting" for worker in live):
        yield "no worker has a partition: `streamer topics show` says which of the configured topics are missing"
    for worker in workers:
        error = worker.last_error
        if worker.condition == "silent" and some_live:
            yield f"{worker.slot} has been silent for {duration(worker.silence_s)}: look after it on {worker.host}"
        if worker.condition == "live" and worker.state == "waiting":
            yield f"{worker.slot} waits: {error.text if error else 'it does not say why'}"
        if worker.condition == "stopped" and error is not None and error.kind == DEAD_LETTER_LIMIT:
            yield f"{worker.slot} stopped over dead letters: {error.text}"
        if _ended(worker) and error is not None:
            yield f"{worker.slot} ended {duration(worker.silence_s)} ago: {error.text}"


def _parked(workers: Sequence[SeenWorker]) -> Iterator[str]:
    reasons = Counter(
        (lane.cluster, lane.topic, lane.reason)
        for worker in workers
        if worker.condition == "live"
        for lane in worker.parked
    )
    for (cluster, topic, reason), count in reasons.items():
        what = "1 partition waits" if count == 1 else f"{count} partitions wait"
        yield f"{cluster}:{topic}: {what}: {reason}"


def _expired(progress: Progress) -> str:
    return (
        f"{progress.cluster}:{progress.topic}: {progress.expired:,} messages were deleted before they were scored: "
        "give the topic a longer retention, or start more workers"
    )
