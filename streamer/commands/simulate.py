"""`streamer simulate` into a folder; what is shown is the same when the packets go to Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from streamer.errors import UserError
from streamer.simulate.files import NightReport, write_night
from streamer.simulate.night import NightPlan, check_plan, packet_count
from streamer.simulate.packet import SimulatedPacket

KAFKA = "kafka"
"""Stands for the home cluster in the place of a folder."""


def plan_of(survey: str, rate_per_s: float, duration_s: float, seed: int) -> NightPlan:
    """The plan of so many packets; UserError where the arguments make none."""
    try:
        plan = NightPlan(survey, packet_count(rate_per_s, duration_s), seed)
        check_plan(plan)
    except ValueError as error:
        raise UserError(str(error)) from None
    return plan


def simulate_to_folder(plan: NightPlan, folder: Path) -> None:
    """Writes the night with a progress bar and says what it holds; UserError where it cannot be made."""
    console = Console(stderr=True)
    started_s = perf_counter()
    with shown_progress(console, plan) as after_packet:
        report = write_night(plan, folder, after_packet)
    print_summary(console, plan, report, perf_counter() - started_s, f"packets and truth.parquet in {folder}")


def check_options(to: str, topic: str | None, truth: Path | None, config: Path | None, unpaced: bool) -> None:
    """UserError where an option that is for `--to kafka` comes with a folder."""
    given = {"--topic": topic, "--truth": truth, "--config": config, "--unpaced": unpaced}
    for option, value in given.items():
        if value and to != KAFKA:
            raise UserError(f"{option} is for `--to kafka`: a folder holds its truth.parquet, and is written unpaced")


@contextmanager
def shown_progress(console: Console, plan: NightPlan) -> Iterator[Callable[[SimulatedPacket], None]]:
    """A progress bar; yields what moves it by a packet."""
    with Progress(console=console) as progress:
        task = progress.add_task(f"simulating {plan.survey.upper()}", total=plan.packets)
        yield lambda packet: progress.advance(task)


def print_summary(console: Console, plan: NightPlan, report: NightReport, seconds: float, where: str) -> None:
    """Says what a night held, how long it took and where it is."""
    table = Table(title=f"Simulated {plan.survey.upper()} alerts")
    table.add_column("type")
    table.add_column("packets", justify="right")
    for name, count in report.types.most_common():
        table.add_row(name, f"{count:,}")
    console.print(table)
    size = f"{report.packets:,} packets of {report.objects:,} objects, {report.bytes / 1e6:,.0f} MB in {seconds:.1f} s"
    console.print(f"{size}; {where}", soft_wrap=True)
