"""`streamer simulate` into a folder or an archive; what is asked and shown is the same when the packets go to Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from schemas.surveys.tables import LSST_VERSIONS, ZTF_VERSIONS
from streamer.errors import UserError
from streamer.simulate.archive import ARCHIVE_ENDS, write_archive
from streamer.simulate.files import NightReport, night_of_packets, write_packets
from streamer.simulate.night import NightPlan, check_plan, packet_count
from streamer.simulate.offered import NightsLater, PooledNight, as_made
from streamer.simulate.packet import SimulatedPacket

KAFKA = "kafka"
"""Stands for the home cluster in the place of a folder."""

MAKING = "making the first packets"
"""Said until they are there."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of `streamer simulate`, wherever it goes."""

    plan: NightPlan
    pool: int | None = None
    """So many packets are made, and go out again and again as other objects'."""
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
    versions = ZTF_VERSIONS if survey == "ztf" else LSST_VERSIONS
    if schema is not None and schema not in versions:
        raise UserError(f"{survey.upper()} has no schema {schema}: expected one of {', '.join(versions)}")
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


def simulate_to_files(wanted: Wanted, place: Path) -> None:
    """Writes the packets into an archive, by its name, or else into a folder, and says what they are.

    UserError where they cannot be made or written.
    """
    console = Console(stderr=True)
    packets = wanted.packets(console)
    write = write_archive if place.name.endswith(ARCHIVE_ENDS) else write_packets
    started_s = perf_counter()
    with shown_progress(console, wanted.plan) as after_packet:
        report = write(packets, place, after_packet)
    seconds = perf_counter() - started_s
    is_folder = write is write_packets
    where = f"packets and truth.parquet in {place}" if is_folder else f"{place}, with truth.parquet beside it"
    say(console, wanted, report, seconds, where, {"to": str(place)})


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
