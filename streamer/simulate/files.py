"""A simulated night as files: the packets, the truth that no survey knows, and what spectrographs saw of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.columns import TRUTH_FILE
from schemas.records import Spectrum
from schemas.spectrum_files import SPECTRA_SCHEMA, write_spectra
from streamer.errors import UserError
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.truth import Truth

SPECTRA_FILE = "spectra.parquet"
"""Follow-up spectra of a night's objects, as `streamer replay --spectra` reads them."""


class NightReport:
    """What a night was made of."""

    def __init__(self, *, keeps_truth: bool = True) -> None:
        """Without the truth memory does not grow, and objects are not counted."""
        self.packets = 0
        self.bytes = 0
        self.types: Counter[str] = Counter()
        """Packets of each type."""
        self.truth = Truth()
        """What each object is, and its alerts."""
        self._keeps_truth = keeps_truth

    @property
    def objects(self) -> int | None:
        """Objects that sent them, None where their truth is not kept."""
        return len(self.truth.objects) if self._keeps_truth else None

    def add(self, packet: SimulatedPacket) -> None:
        """Counts a packet, and keeps its truth."""
        self.packets += 1
        self.bytes += len(packet.payload)
        self.types[packet.type] += 1
        if self._keeps_truth:
            self.truth.add(packet)

    def write_truth(self, file: Path) -> None:
        """Writes the truth, beside another night's in a file that is there; raises as `Truth.write`."""
        self.truth.write(file)


def write_night(
    plan: NightPlan,
    folder: Path,
    after_packet: Callable[[SimulatedPacket], None] = lambda packet: None,
) -> NightReport:
    """Writes the packets of a plan as `write_packets` does; UserError where the plan makes no night, too."""
    return write_packets(night_of_packets(plan), folder, after_packet)


def write_packets(
    packets: Iterable[SimulatedPacket],
    folder: Path,
    after_packet: Callable[[SimulatedPacket], None] = lambda packet: None,
) -> NightReport:
    """Writes packets into `folder`, `<candid>.avro` or `<diaSourceId>.bin`, and `truth.parquet` last.

    A folder that holds a night already gets this one beside it, and the truth of both. Interrupted, it still gets the
    truth of what was written. UserError where the folder cannot be written.
    """
    report = NightReport()
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for packet in packets:
                (folder / packet.file_name).write_bytes(packet.payload)
                report.add(packet)
                after_packet(packet)
        except KeyboardInterrupt:
            report.write_truth(folder / TRUTH_FILE)
            raise
        report.write_truth(folder / TRUTH_FILE)
    return report


def write_follow_up(spectra: Sequence[Spectrum], file: Path) -> None:
    """Writes spectra beside another night's in a file that is there; those of one object and time come once.

    UserError where that file holds another kind of table, or cannot be written.
    """
    with writing_to(file):
        former = pq.read_table(file) if file.exists() else SPECTRA_SCHEMA.empty_table()
        if former.schema.names != SPECTRA_SCHEMA.names:
            raise UserError(f"{file} holds no spectra of this version: simulate into another folder")
        write_spectra(file, spectra)
        table = pq.read_table(file)
        known = set(zip(*(table[name].to_pylist() for name in ("object_id", "spectrum_mjd")), strict=True))
        keys = zip(*(former[name].to_pylist() for name in ("object_id", "spectrum_mjd")), strict=True)
        others = former.filter(pa.array([key not in known for key in keys], pa.bool_()))
        pq.write_table(pa.concat_tables([others, table]), file)


def night_of_packets(plan: NightPlan) -> Iterator[SimulatedPacket]:
    """The packets of a night; UserError where the arguments make none."""
    try:
        return simulate_night(plan)
    except ValueError as error:
        raise UserError(str(error)) from error


@contextmanager
def writing_to(place: Path) -> Iterator[None]:
    """Gives what goes wrong while a file or folder is written as a UserError."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise UserError(f"cannot write to {place}: {getattr(error, 'strerror', None) or error}") from error
