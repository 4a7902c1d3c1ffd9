"""`streamer size`: what a number of alerts a night takes, and what bounds it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamer.errors import UserError
from streamer.settings import Settings
from streamer.sizing.costs import HERE, Measured, measured_of
from streamer.sizing.plan import BUSY_AT_PEAK, Kept, Plan, Question, Range, size

TB = 1e12
"""[byte]"""

UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def run_size(question: Question, measured: Path | None, as_json: bool) -> None:
    """Prints the answer; UserError where `measured` is no report of `streamer bench kafka --json`."""
    plan = size(question, read_measured(measured))
    if as_json:
        print(json.dumps(dataclasses.asdict(plan)))
        return
    print_plan(plan, Console(), f"of {HERE.cores} AMD EPYC cores" if measured is None else f"as in {measured}")


def question_of(
    settings: Settings, survey: str, alerts_per_night: int, *, hours_per_night: float, peak: float,
    scored_share: float, alerts_per_object: float, copy_days: float, replication: int | None,
) -> Question:  # fmt: skip
    """The question with what the configuration says of it; `replication` stands above the configuration's."""
    state = settings.state
    return Question(
        survey,
        alerts_per_night,
        hours_per_night,
        peak,
        scored_share,
        alerts_per_object,
        copy_days,
        replication or settings.kafka.replication_factor,
        settings.kafka.registry.url is not None,
        state.seen_days,
        state.alerts_days,
        state.light_curves_days,
        state.cutouts_days,
        settings.kafka.session_timeout_s,
    )


def count_of(text: str) -> int:
    """A number of alerts, `10_000_000` or `10,000,000` too; UserError where it is none, or not from 1 to 10^12."""
    plain = text.replace("_", "").replace(",", "").strip()
    if not (plain.isascii() and plain.isdecimal() and 1 <= int(plain) <= 10**12):
        raise UserError(f"--alerts-per-night takes a whole number from 1 to 10^12, such as 10_000_000, not {text!r}")
    return int(plain)


def read_measured(file: Path | None) -> Measured:
    """The costs in a file of `streamer bench kafka --json`, ours without one; UserError where it is no such file."""
    if file is None:
        return HERE
    try:
        lines = file.read_text(encoding="utf-8").strip().splitlines()
        return measured_of(json.loads(lines[-1] if lines else ""))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(
            f"{file} is no report of `streamer bench kafka --store mongodb --json` ({type(error).__name__}: {error})"
        ) from None


def print_plan(plan: Plan, console: Console, whose: str) -> None:
    """The answer as tables."""
    asked = plan.question
    console.print(
        f"{asked.alerts_per_night:,} {asked.survey.upper()} alerts a night of {asked.hours_per_night:g} h: "
        f"{plan.mean_per_s:,.0f}/s on average, {plan.peak_per_s:,.0f}/s at the peak ({asked.peak:g} times that); "
        f"{plan.visit_alerts:,.0f} alerts of a visit come at once. {100 * asked.scored_share:g} % are scored."
    )
    table = _table(
        f"At the peak, {100 * BUSY_AT_PEAK:g} % busy; costs {whose}, fast hour to slow", "what", "it takes", "why"
    )
    for row in _bounds(plan):
        table.add_row(*map(escape, row))
    console.print(table)
    table = _table("Network at the peak", "way", "Mbit/s")
    for name, rate in plan.network_mbit_s.items():
        table.add_row(name, number_text(rate))
    console.print(table)
    console.print(_kept(f"Kafka's disks, {asked.replication} of each message", plan.topics))
    console.print(_kept("MongoDB's disk: the object store, one copy", plan.collections))
    console.print(
        "Were every alert of a new object, with its packet's history, objects would take "
        f"{bytes_text(plan.first_objects_bytes)} a night."
    )
    table = _table("Tables of the sinks: nothing goes by itself", "table", "a night", "a year", "nights to a TB")
    for kept in plan.tables:
        nights = f"{TB / kept.night_bytes:,.0f}" if kept.night_bytes else "-"
        table.add_row(kept.name, bytes_text(kept.night_bytes), bytes_text(365 * kept.night_bytes), nights)
    console.print(table)


def _bounds(plan: Plan) -> Iterable[tuple[str, str, str]]:
    slow, fast = plan.worker_per_s
    yield (
        "workers",
        _whole(plan.workers),
        f"one scores {slow:,.0f} to {fast:,.0f} alerts/s, its one line of stages in turn; one is to spare",
    )
    for name, cores in plan.cores.items():
        yield f"cores, {name}", _tenths(cores), "CPU of an alert; MongoDB's of a stand-in" if name == "MongoDB" else ""
    total = sum(low for low, _ in plan.cores.values()), sum(high for _, high in plan.cores.values())
    yield "cores, all", _tenths(total), "sinks, MirrorMaker, Prometheus and the system come on top"
    for name, why in (
        ("workers", "one and a half times the largest one measured"),
        ("Kafka brokers", "of all: heaps, and ten minutes of the peak in the page cache"),
        ("MongoDB", "the objects of one night, to all of them"),
    ):
        yield f"memory, {name} [GB]", _tenths(plan.memory_gb[name]), why
    yield "a visit of the peak, all scored after [s]", _tenths(plan.visit_s), "all workers at it"
    yield (
        "a lost worker: the others have caught up after [s]",
        _tenths(plan.catch_up_s),
        f"and the {plan.question.session_timeout_s:g} s after which it counts as lost",
    )
    yield from (
        (f"partitions, {name}", f"{count:,}", "each has one worker" if name.endswith("least") else "")
        for name, count in plan.partitions.items()
    )
    if plan.sqlite_would_do:
        yield (
            "or, without MongoDB",
            "1 worker",
            "the sqlite store keeps up while it is small; nothing expires there but cutouts",
        )


def _kept(title: str, all_kept: Sequence[Kept]) -> Table:
    indexed = any(kept.index_bytes for kept in all_kept)
    table = _table(title, "what", "a night", "kept [d]", "at last", *(["of it indexes"] if indexed else []))

    def row(name: str, night: float, days: str, last: float, index: float) -> None:
        table.add_row(
            name, bytes_text(night), days, bytes_text(last), *([bytes_text(index) if index else ""] if indexed else [])
        )

    for kept in all_kept:
        row(kept.name, kept.night_bytes, f"{kept.days:g}", kept.steady_bytes or 0.0, kept.index_bytes)
    table.add_section()
    night, last = sum(kept.night_bytes for kept in all_kept), sum(kept.steady_bytes or 0.0 for kept in all_kept)
    row("all", night, "", last, sum(kept.index_bytes for kept in all_kept))
    return table


def bytes_text(size_bytes: float) -> str:
    """A size for people, decimal units."""
    for unit, name in UNITS:
        if size_bytes >= unit:
            value = size_bytes / unit
            return f"{value:,.1f} {name}" if value < 100 else f"{value:,.0f} {name}"
    return f"{size_bytes:.0f} B"


def number_text(value: float) -> str:
    """A number for people: tenths, and of small ones two digits."""
    return f"{value:,.1f}" if value >= 1 else f"{value:.2g}"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        left: Any = "left" if name in ("what", "why", "way", "table") else "right"
        table.add_column(name, justify=left)
    return table


def _whole(values: tuple[int, int]) -> str:
    low, high = values
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _tenths(values: Range) -> str:
    low, high = (number_text(value) for value in sorted(values))
    return low if low == high else f"{low} to {high}"
