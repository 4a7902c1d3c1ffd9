"""A simulated night as files: the packets, and the truth that no survey knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from schemas.columns import TRUTH_FILE
from streamer.errors import UserError
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket
from streamer.simulate.truth import Truth


class NightReport:
    """What a night was made of."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.types: Counter[str] = Counter()
        """Packets of each type."""
        self.truth = Truth()
        """What each object is, and its alerts."""

    @property
    def objects(self) -> int:
        """Objects that sent them."""
        return len(self.truth.objects)

    def add(self, packet: SimulatedPacket) -> None:
        """Counts a packet, and keeps its truth."""
        self.packets += 1
        self.bytes += len(packet.payload)
        self.types[packet.type] += 1
        self.truth.add(packet)

    def write_truth(self, file: Path) -> None:
        """Writes the truth, beside another night's in a file that is there; raises as `Truth.write`."""
        self.truth.write(file)


def write_night(
    plan: NightPlan,
    folder: Path,
    after_packet: Callable[[SimulatedPacket], None] = lambda packet: None,
) -> NightReport:
    """Writes a night's packets into `folder`, `<candid>.avro` or `<diaSourceId>.bin`, and `truth.parquet` last.

    A folder that holds a night already gets this one beside it, and the truth of both. UserError where the arguments
    make no night, or where the folder cannot be written.
    """
    packets = night_of_packets(plan)
    report = NightReport()
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for packet in packets:
            (folder / packet.file_name).write_bytes(packet.payload)
            report.add(packet)
            after_packet(packet)
        report.write_truth(folder / TRUTH_FILE)
    return report


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
