"""`streamer simulate` into a folder; what is shown is the same when the packets go to Kafka."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from streamer.errors import UserError
from streamer.simulate.files import NightReport, write_night
from streamer.simulate.night import packet_count
from streamer.simulate.packet import SimulatedPacket

KAFKA = "kafka"
"""Stands for the home cluster in the place of a folder."""


@dataclass(frozen=True, slots=True)
class Night:
    """What is asked of the simulator."""

    survey: str
    rate_per_s: float
    duration_s: float
    seed: int


def simulate_to_folder(night: Night, folder: Path) -> None:
    """Writes the night with a progress bar and says what it holds; UserError where it cannot be made."""
    console = Console(stderr=True)
    started_s = perf_counter()
    with shown_progress(console, night) as after_packet:
        report = write_night(night.survey, night.rate_per_s, night.duration_s, night.seed, folder, after_packet)
    print_summary(console, night, report, perf_counter() - started_s, f"packets and truth.parquet in {folder}")


def check_options(to: str, topic: str | None, truth: Path | None, config: Path | None, unpaced: bool) -> None:
    """UserError where an option that is for `--to kafka` comes with a folder."""
    given = {"--topic": topic, "--truth": truth, "--config": config, "--unpaced": unpaced}
    for option, value in given.items():
        if value and to != KAFKA:
            raise UserError(f"{option} is for `--to kafka`: a folder holds its truth.parquet, and is written unpaced")


@contextmanager
def shown_progress(console: Console, night: Night) -> Iterator[Callable[[SimulatedPacket], None]]:
    """A progress bar; yields what moves it by a packet."""
    size = night.rate_per_s * night.duration_s
    with Progress(console=console) as progress:
        wanted = packet_count(night.rate_per_s, night.duration_s) if 0 < size < 1e12 else 1
        task = progress.add_task(f"simulating {night.survey.upper()}", total=wanted)
        yield lambda packet: progress.advance(task)


def print_summary(console: Console, night: Night, report: NightReport, seconds: float, where: str) -> None:
    """Says what a night held, how long it took and where it is."""
    table = Table(title=f"Simulated {night.survey.upper()} alerts")
    table.add_column("type")
    table.add_column("packets", justify="right")
    for name, count in report.types.most_common():
        table.add_row(name, f"{count:,}")
    console.print(table)
    size = f"{report.packets:,} packets of {report.objects:,} objects, {report.bytes / 1e6:,.0f} MB in {seconds:.1f} s"
    console.print(f"{size}; {where}", soft_wrap=True)
