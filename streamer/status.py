"""What a worker says of itself: one JSON message on the compacted status topic, its key the worker's slot."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

WorkerState = Literal["starting", "running", "waiting", "parked", "stopping"]
"""starting: until the first partitions come; waiting: a dependency is away and the worker backs off; parked: each of
its partitions waits for a schema; stopping: the last word of a worker that ends by itself."""

DEAD_LETTER_LIMIT = "dead_letter_limit"
"""Kind of the failure that stops all workers: too many of the last messages could not be processed."""


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
    """From the survey's publishing to the committed score [s]; None where no late alert says when it was published."""

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
    """Over the last 5 minutes, of 10,000 alerts at most."""
    parked: list[ParkedLane]
    last_error: LastError | None
    metrics_url: str

    @property
    def lag_total(self) -> int:
        """Messages published and not yet taken, over all topics."""
        return sum(self.lag.values())
