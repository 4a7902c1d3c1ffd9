"""`streamer bench kafka`, `latency` and `sizes`: the service measured end to end."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from streamer.bench.deployment import StoreKind
from streamer.bench.kafka import bench_kafka, bench_latency
from streamer.bench.sizes import bench_sizes
from streamer.commands.bench import packets_folder
from streamer.errors import UserError
from streamer.settings import Settings

Cell = Callable[[dict[str, Any]], str]


def run_bench_kafka(
    settings: Settings, data: Path | None, alerts: int, workers: str, store: StoreKind, as_json: bool
) -> None:
    """How fast a backlog drains; UserError where a server is away, or an alert has not exactly one score."""
    counts = _counts(workers)
    report = _measured(lambda tell: bench_kafka(settings, packets_folder(data), alerts, counts, store, tell))
    if as_json:
        print(json.dumps(report))
        return
    cases = report["cases"]
    table = _table(f"A backlog drains, with {store}; times of one alert", [_title(case) for case in cases])

    def row(title: str, cell: Cell, **style: Any) -> None:
        table.add_row(escape(title), *map(cell, cases), **style)

    row("alerts, each scored once", lambda case: f"{case['alerts']:,}")
    row("alerts/s", lambda case: f"{case['alerts_per_s']:,.0f}", style="bold", end_section=True)
    _add_costs(row, cases[0])
    row("memory [MB], start", lambda case: _join(case["rss_mb"]["start"]))
    row("half-way", lambda case: _join(case["rss_mb"]["middle"]))
    row("end", lambda case: _join(case["rss_mb"]["end"]))
    console = Console()
    console.print(table)
    for case in cases:
        console.print(f"{_title(case)}: bounded by {case['bounded_by']}")
    console.print(f"aim on two cores, broker included: {report['aim_alerts_per_s']} alerts/s")
    _print_conditions(console, report)


def run_bench_latency(
    settings: Settings,
    data: Path | None,
    rate_per_s: float,
    duration_s: float,
    workers: int,
    store: StoreKind,
    as_json: bool,
) -> None:
    """How soon a score is out; UserError where a server is away, or an alert has not exactly one score."""
    report = _measured(
        lambda tell: bench_latency(settings, packets_folder(data), rate_per_s, duration_s, workers, store, tell)
    )
    if as_json:
        print(json.dumps(report))
        return
    table = _table(f"From publishing to score, with {store}", [_workers(workers)])

    def row(title: str, cell: Cell, **style: Any) -> None:
        table.add_row(escape(title), cell(report), **style)

    row("alerts, each scored once", lambda case: f"{case['alerts']:,}")
    row("sent [1/s]", lambda case: f"{case['sent_per_s']:,.1f} of {rate_per_s:,.1f}")
    row("sent late, at most [ms]", lambda case: f"{case['sent_late_ms_max']:,.1f}", end_section=True)
    for name in ("p50", "p95", "p99", "max"):
        row(f"{name} [ms]", lambda case, name=name: f"{case[f'{name}_ms']:,.0f}", style="bold")  # type: ignore[misc]
    table.add_section()
    _add_costs(row, report)
    console = Console()
    console.print(table)
    console.print(f"bounded by {report['bounded_by']}")
    console.print(f"aim at 270 alerts/s on two cores, broker included: p99 under {report['aim_p99_ms']} ms")
    _print_conditions(console, report)


def run_bench_sizes(settings: Settings, data: Path | None, as_json: bool) -> None:
    """Bytes of an alert wherever it is written; UserError where MongoDB is away."""
    report = _measured(lambda tell: bench_sizes(settings, packets_folder(data), tell))
    if as_json:
        print(json.dumps(report))
        return
    table = _table("Bytes of an alert: as written / packed as its server packs it", list(report))

    def row(title: str, *way: str) -> None:
        cells = []
        for part in report.values():
            for key in way:
                part = part[key]
            cells.append(f"{part['bytes']:,} / {part['packed']:,}" if isinstance(part, dict) else f"{part:,}")
        table.add_row(title, *cells)

    first = next(iter(report.values()))
    row("alerts", "alerts")
    row("packet", "packet")
    for form, messages in first["topics"].items():
        for topic in messages:
            row(f"topic {topic}, {form}", "topics", form, topic)
    for name in first["mongodb"]:
        row(f"collection {name}", "mongodb", name)
    for name in ("without_rows", "rows", "rows_per_detection", "row_bytes", "packed_share"):
        row(f"objects: {name.replace('_', ' ')}", "mongodb", "objects", name)
    for name in first["tables"]:
        row(f"table {name}", "tables", name)
    console = Console()
    console.print(table)
    console.print("; ".join(f"{survey}: {part['source']}" for survey, part in report.items()))


def _measured(measure: Callable[[Callable[[str], None]], dict[str, Any]]) -> dict[str, Any]:
    """The report, with its progress on stderr. SIGTERM ends it as Ctrl-C does, so that nothing is left behind."""
    for number in (signal.SIGTERM, signal.SIGINT):  # SIGINT too: it is ignored in a shell's background
        signal.signal(number, signal.default_int_handler)
    with Console(stderr=True).status("packets are made") as status:
        return measure(status.update)


def _add_costs(row: Callable[..., None], first: dict[str, Any]) -> None:
    row("alerts in a batch", lambda case: f"{case['batch_alerts']:,.0f}")
    for stage in first["stage_ms"]:
        row(f"{stage} [ms]", lambda case, stage=stage: f"{case['stage_ms'].get(stage, 0.0):.3f}")
    for name in first["cpu_ms"]:
        row(f"CPU, {name} [ms]", lambda case, name=name: f"{case['cpu_ms'].get(name, 0.0):.3f}")
    row("cores used", lambda case: f"{case['cores_used']:.2f}", end_section=True)


def _print_conditions(console: Console, report: dict[str, Any]) -> None:
    packets = "; ".join(f"{survey} {source}" for survey, source in report["packets"].items())
    console.print(f"packets: {packets}; spectra: {report['spectra']}")
    console.print(f"{report['cores']} cores; load average {report['load_average']} at the end")


def _table(title: str, columns: list[str]) -> Table:
    table = Table(title=title)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _title(case: dict[str, Any]) -> str:
    return f"{_workers(case['workers'])}, {'filled' if case['filled'] else 'empty'} store"


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _join(values: list[float]) -> str:
    return " + ".join(f"{value:,.0f}" for value in values)


def _counts(text: str) -> list[int]:
    """Numbers of workers; UserError where the text holds none."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and 1 <= int(part) <= 256 for part in parts):
        raise UserError(f"--workers takes numbers from 1 to 256 with commas between them, such as 1,2, not {text!r}")
    return [int(part) for part in parts]
