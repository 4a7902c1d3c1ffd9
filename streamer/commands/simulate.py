"""`streamer simulate`: a night of packets into a folder."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from streamer.simulate.files import write_night
from streamer.simulate.night import packet_count
from streamer.simulate.packet import SimulatedPacket


def run_simulate(survey: str, rate_per_s: float, duration_s: float, seed: int, folder: Path) -> None:
    """Writes the night with a progress bar and says what it holds; UserError where it cannot be made."""
    console = Console(stderr=True)
    started = perf_counter()
    with Progress(console=console) as progress:
        wanted = packet_count(rate_per_s, duration_s) if 0 < rate_per_s * duration_s < 1e12 else 1
        task = progress.add_task(f"simulating {survey.upper()}", total=wanted)

        def show(packet: SimulatedPacket) -> None:
            progress.advance(task)

        report = write_night(survey, rate_per_s, duration_s, seed, folder, show)
    table = Table(title=f"Simulated {survey.upper()} alerts")
    table.add_column("type")
    table.add_column("packets", justify="right")
    for name, count in report.types.most_common():
        table.add_row(name, f"{count:,}")
    console.print(table)
    seconds = perf_counter() - started
    console.print(
        f"{report.packets:,} packets of {report.objects:,} objects, {report.bytes / 1e6:,.0f} MB in {seconds:.1f} s; "
        f"packets and truth.parquet in {folder}",
        soft_wrap=True,
    )
