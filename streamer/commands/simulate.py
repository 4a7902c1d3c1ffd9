"""`streamer simulate` into a folder or an archive; what is asked and shown is the same when the packets go to Kafka."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas.records import Spectrum
from streamer.errors import UserError
from streamer.simulate.archive import ARCHIVE_ENDS, write_archive
from streamer.simulate.files import SPECTRA_FILE, NightReport, night_of_packets, write_follow_up, write_packets
from streamer.simulate.night import NightPlan, check_plan, packet_count
from streamer.simulate.offered import NightsLater, PooledNight, as_made
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.photometry import LIGHT_CURVES_FILE, write_light_curves
from streamer.simulate.spectra.follow_up import draw_spectra

KAFKA = "kafka"
"""Stands for the home cluster in the place of a folder."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of `streamer simulate`, wherever it goes."""

    plan: NightPlan
    pool: int | None = None
    """So many packets are made, and go out again and again as other objects'."""
    spectra: float = 0.0
    """Share of the objects, of those that a spectrograph reaches, that get one."""
    as_json: bool = False

    def packets(self, console: Console, nights_later: NightsLater = as_made) -> Iterable[SimulatedPacket]:
        """The packets, the pool made where one is asked for; UserError where there are none."""
        if self.pool is None:
            return night_of_packets(self.plan)
        try:
            with console.status(f"making {self.pool:,} packets for the pool"):
                pooled = PooledNight(self.plan, self.pool, nights_later)
        except ValueError as error:
            raise UserError(str(error)) from None
        if len(pooled) < self.pool:
            console.print(f"{len(pooled):,} of {self.pool:,} packets are pooled: asteroids have no object to rename")
        return pooled


def plan_of(
    survey: str,
    rate_per_s: float,
    duration_s: float,
    seed: int,
    nights: int = 1,
    mixture: str = "sky",
    only: str | None = None,
    schema: str | None = None,
) -> NightPlan:
    """The plan that these options make; UserError where they make none. `only` has commas between its types."""
    types = tuple(name.strip() for name in only.split(",")) if only is not None else ()
    try:
        plan = NightPlan(survey, packet_count(rate_per_s, duration_s), seed, nights, mixture, types, schema)
        check_plan(plan)
    except ValueError as error:
        raise UserError(str(error)) from None
    return plan


def check_options(to: str, for_kafka: Mapping[str, object], for_files: Mapping[str, object]) -> None:
    """UserError where an option that has been given is for another place; both mappings are option to value."""
    for option, value in for_kafka.items():
        if value and to != KAFKA:
            raise UserError(f"{option} is for `--to kafka`: files have their truth.parquet, and are written unpaced")
    for option, value in for_files.items():
        if value and to == KAFKA:
            raise UserError(f"{option} is for files: name a folder or an archive with --to")


def check_alone(option: str, does: str, others: Mapping[str, object]) -> None:
    """UserError where another option has been given beside one that, for what it does, takes none of them."""
    for other, value in others.items():
        if value:
            raise UserError(f"{option} {does}: leave {other} out")


def simulate_to_files(wanted: Wanted, place: Path, draws_report: bool) -> None:
    """Writes the packets into an archive, by its name, or else into a folder, and says what they are.

    UserError where they cannot be made or written, or where the page of figures is asked for beside an archive.
    """
    console = Console(stderr=True)
    is_archive = place.name.endswith(ARCHIVE_ENDS)
    if is_archive and draws_report:
        raise UserError(f"--report draws the packets in a folder, and {place} is an archive: name a folder with --to")
    packets = wanted.packets(console)
    started_s = perf_counter()
    with shown_progress(console, wanted.plan) as after_packet:
        report = (write_archive if is_archive else write_packets)(packets, place, after_packet)
    seconds = perf_counter() - started_s
    beside = "truth.parquet"
    more: dict[str, object] = {"to": str(place)}
    if wanted.spectra:
        spectra = follow_up(wanted, report)
        write_follow_up(spectra, (place.parent if is_archive else place) / SPECTRA_FILE)
        beside += f" and {len(spectra):,} spectra"
        more["spectra"] = len(spectra)
    where = f"{place}, with {beside} beside it" if is_archive else f"packets, {beside} in {place}"
    if draws_report:
        from streamer.commands.night_report import write_report

        with console.status("drawing the night"):
            page = write_report(place)
        where += f"; figures: {page}"
        more["report"] = str(page)
    say(console, wanted, report, seconds, where, more)


def simulate_light_curves(wanted: Wanted, folder: Path) -> None:
    """Writes the light curves of the plan's objects, no packet, and says what they are; UserError where it cannot."""
    console, plan = Console(stderr=True), wanted.plan
    started_s = perf_counter()
    with Progress(console=console) as progress:
        task = progress.add_task(f"simulating {plan.survey.upper()} light curves", total=plan.packets)
        curves = write_light_curves(plan, folder, lambda alerts: progress.advance(task, alerts))
    seconds = perf_counter() - started_s
    types = Counter(curves["type"].to_pylist())
    table = Table(title=f"Simulated {plan.survey.upper()} light curves")
    table.add_column("type")
    table.add_column("objects", justify="right")
    for name, count in types.most_common():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print(f"{len(curves):,} objects in {seconds:.1f} s: {folder / LIGHT_CURVES_FILE}", soft_wrap=True)
    if wanted.as_json:
        summary = {"survey": plan.survey, "seed": plan.seed, "objects": len(curves), "types": dict(types.most_common())}
        print(json.dumps(summary | {"seconds": round(seconds, 3), "to": str(folder)}))


def follow_up(wanted: Wanted, report: NightReport) -> list[Spectrum]:
    """The spectra of a night's objects, by time."""
    return list(draw_spectra(report.truth, wanted.spectra, wanted.plan.seed))


@contextmanager
def shown_progress(console: Console, plan: NightPlan) -> Iterator[Callable[[SimulatedPacket], None]]:
    """A progress bar; yields what moves it by a packet."""
    with Progress(console=console) as progress:
        task = progress.add_task(f"simulating {plan.survey.upper()}", total=plan.packets)
        yield lambda packet: progress.advance(task)


def say(
    console: Console, wanted: Wanted, report: NightReport, seconds: float, where: str, more: Mapping[str, object]
) -> None:
    """Says what a night held, how long it took and where it is; the last line of stdout is JSON where asked for."""
    plan = wanted.plan
    table = Table(title=f"Simulated {plan.survey.upper()} alerts")
    table.add_column("type")
    table.add_column("packets", justify="right")
    for name, count in report.types.most_common():
        table.add_row(name, f"{count:,}")
    console.print(table)
    of = f" of {report.objects:,} objects" if report.objects is not None else ""
    rate = f"{report.packets / seconds:,.0f} packets/s"
    console.print(
        f"{report.packets:,} packets{of}, {report.bytes / 1e6:,.0f} MB in {seconds:.1f} s, {rate}; {where}",
        soft_wrap=True,
    )
    if wanted.as_json:
        summary = {
            "survey": plan.survey,
            "seed": plan.seed,
            "packets": report.packets,
            "objects": report.objects,
            "types": dict(report.types.most_common()),
            "bytes": report.bytes,
            "seconds": round(seconds, 3),
        }
        print(json.dumps(summary | dict(more)))
