"""`streamer status`: how a running deployment does, in a terminal or as JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from streamer.errors import UserError
from streamer.factory.subscribers import open_watch, watched_topics
from streamer.kafka.progress import DeploymentWatch
from streamer.settings import Settings
from streamer.status import DeploymentStatus, OutcomeStatus, SeenWorker, assess, duration

REPEAT_S = 2.0
"""A watched deployment is asked anew after this time [s]."""

STYLES = {"live": "green", "silent": "red", "stopped": "yellow"}
"""Colour of a worker by its condition."""


def run_status(settings: Settings, as_json: bool) -> bool:
    """Prints how the deployment does; returns whether all is well. UserError where the home cluster cannot be asked."""
    with open_watch(settings) as watch:
        status = ask(watch, settings)
    if as_json:
        print(status.model_dump_json())
    else:
        Console().print(render(status))
    return status.healthy


def watch_status(settings: Settings) -> None:
    """Shows how the deployment does until Ctrl-C, also while the home cluster is away; UserError without a terminal."""
    console = Console()
    if not console.is_terminal:
        raise UserError("--watch needs a terminal: leave it out, or take --json")
    with open_watch(settings) as watch, Live(console=console, auto_refresh=False, screen=True) as live:
        while True:
            try:
                shown = render(ask(watch, settings))
            except UserError as error:
                shown = Text(f"{datetime.now(UTC):%H:%M:%S} UTC  {error}", style="red")
            live.update(shown, refresh=True)
            time.sleep(REPEAT_S)


def ask(watch: DeploymentWatch, settings: Settings) -> DeploymentStatus:
    """How the deployment of these settings does now."""
    words = watch.last_words()
    progress, away = watch.progress(watched_topics(settings))
    return assess(settings.deployment, words, progress, away, datetime.now(UTC))


def render(status: DeploymentStatus) -> RenderableType:
    """The status as a line in plain words, what is wrong, and tables."""
    return Group(*_parts(status))


def _parts(status: DeploymentStatus) -> Iterator[RenderableType]:
    yield Text.assemble((status.deployment, "bold"), f"  {status.at:%Y-%m-%d %H:%M:%S} UTC")
    if status.totals.live:
        yield Text(status.summary, style="bold green" if status.healthy else "bold yellow")
    for problem in status.problems:
        yield Text(problem, style="bold red")
    for line in status.missing:
        yield Text(f"missing: {line}", style="yellow")
    if status.workers:
        yield _workers(status)
        yield _outcomes(status)
    if status.totals.filtered or status.totals.dead_letter:
        yield _reasons(status.totals)
    if status.lag:
        yield _lag(status)
    yield from _models(status)
    for worker in status.workers:
        if worker.last_error is not None:
            error = worker.last_error
            is_over = worker.condition == "live" and worker.state == "running" and error.text not in worker.missing
            since = ", it is over" if is_over else ""  # a worker works on while a topic is missing
            line = f"last error of {worker.slot}, {_ago(status.at, error.when)}{since}: {error.kind}: {error.text}"
            yield Text(line, style="dim")


def _workers(status: DeploymentStatus) -> Table:
    table = Table(title="Workers; p50 and p99 are from publishing to outcome", title_justify="left")
    table.add_column("slot")
    table.add_column("state")
    for name in ("partitions", "alerts/s", "p50", "p99", "lag"):
        table.add_column(name, justify="right")
    for worker in status.workers:
        figures = [
            f"{worker.assigned:,}",
            f"{worker.rate:,.0f}",
            _latency(worker.latency.p50),
            _latency(worker.latency.p99),
            f"{worker.lag_total:,}",
        ]
        state = Text(_state(worker), STYLES[worker.condition])
        table.add_row(worker.slot, state, *figures, style="" if worker.condition == "live" else "dim")
    return table


def _state(worker: SeenWorker) -> str:
    if worker.condition == "silent":
        return f"silent for {duration(worker.silence_s)}"
    if worker.condition == "stopped":
        return f"stopped {duration(worker.silence_s)} ago"
    parked = f", {len(worker.parked)} parked" if worker.parked and worker.state != "parked" else ""
    return f"{worker.state}{parked}"


def _latency(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:,.0f} ms" if seconds < 10 else duration(seconds)


def _outcomes(status: DeploymentStatus) -> Table:
    table = Table(title="What became of the messages, since each worker's start", title_justify="left")
    table.add_column("slot")
    for name in ("received", "scored", "filtered", "duplicate", "dead letter"):
        table.add_column(name, justify="right")
    for worker in status.workers:
        table.add_row(worker.slot, *_counts(worker.outcomes))
    table.add_section()
    table.add_row("all", *_counts(status.totals), style="bold")
    return table


def _reasons(totals: OutcomeStatus) -> Table:
    table = Table(title="Why not scored", title_justify="left")
    table.add_column("outcome")
    table.add_column("reason", overflow="fold")
    table.add_column("messages", justify="right")
    for outcome, reasons in (("filtered", totals.filtered), ("dead letter", totals.dead_letter)):
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
            table.add_row(outcome, reason, f"{count:,}")
    return table


def _counts(outcomes: OutcomeStatus) -> list[str]:
    counts = (
        outcomes.received,
        outcomes.scored,
        sum(outcomes.filtered.values()),
        outcomes.duplicate,
        sum(outcomes.dead_letter.values()),
    )
    return [f"{count:,}" for count in counts]


def _lag(status: DeploymentStatus) -> Table:
    table = Table(title="Waiting in the topics", title_justify="left")
    table.add_column("cluster:topic")
    table.add_column("messages", justify="right")
    for topic, count in status.lag.items():
        table.add_row(topic, f"{count:,}")
    return table


def _models(status: DeploymentStatus) -> Iterator[Text]:
    """One line for each kind of worker there is: more than one only while a deployment changes."""
    kinds: dict[str, list[str]] = {}
    for worker in status.workers:
        if worker.condition == "live":
            model = worker.model
            kind = f"streamer {worker.software}, model {model.name} {model.version} ({model.hash[:12]}), {worker.store}"
            kinds.setdefault(kind, []).append(worker.slot)
    for kind, slots in kinds.items():
        yield Text(kind if len(kinds) == 1 else f"{kind}: {', '.join(slots)}")


def _ago(now: datetime, when: datetime) -> str:
    return f"{duration((now - when).total_seconds())} ago"
