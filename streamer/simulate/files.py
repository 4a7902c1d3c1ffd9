"""A simulated night as files: the packets, and the truth that no survey knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from streamer.errors import UserError
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket

TRUTH_FILE = "truth.parquet"
"""One row for each object: `survey object_id type class redshift alert_ids first_mjd_tai last_mjd_tai`. `class` is a
broad class or null (asteroids, bogus detections); `alert_ids` are in order of time."""

_TRUTH_SCHEMA = pa.schema(
    [
        ("survey", pa.string()),
        ("object_id", pa.string()),
        ("type", pa.string()),
        ("class", pa.string()),
        ("redshift", pa.float64()),
        ("alert_ids", pa.list_(pa.int64())),
        ("first_mjd_tai", pa.float64()),
        ("last_mjd_tai", pa.float64()),
    ]
)


class NightReport:
    """What a night was made of."""

    def __init__(self) -> None:
        self.packets = 0
        self.bytes = 0
        self.types: Counter[str] = Counter()
        """Packets of each type."""
        self._objects: dict[str, list[SimulatedPacket]] = {}

    @property
    def objects(self) -> int:
        """Objects that sent them."""
        return len(self._objects)

    def add(self, packet: SimulatedPacket) -> None:
        """Counts a packet, and keeps its truth."""
        self.packets += 1
        self.bytes += len(packet.payload)
        self.types[packet.type] += 1
        self._objects.setdefault(packet.object_id, []).append(packet.without_payload())

    def write_truth(self, file: Path) -> None:
        """Writes the truth, beside another night's in a file that is there; OSError or pyarrow's where it cannot."""
        table = truth_table(self._objects)
        pq.write_table(_joined(pq.read_table(file), table) if file.exists() else table, file)


def write_night(
    plan: NightPlan,
    folder: Path,
    after_packet: Callable[[SimulatedPacket], None] = lambda packet: None,
) -> NightReport:
    """Writes a night's packets into `folder`, `<candid>.avro` or `<diaSourceId>.bin`, and `truth.parquet` last.

    A folder that holds a night already gets this one beside it, and
    the truth of both. UserError where the arguments make no night, or where the folder cannot be written.
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


def _joined(former: pa.Table, table: pa.Table) -> pa.Table:
    """The truth of two nights: an object of both keeps the alerts of both."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for row in [*former.to_pylist(), *table.to_pylist()]:
        known = rows.setdefault((row["survey"], row["object_id"]), row)
        known["alert_ids"] = list(dict.fromkeys([*known["alert_ids"], *row["alert_ids"]]))
        known["first_mjd_tai"] = min(known["first_mjd_tai"], row["first_mjd_tai"])
        known["last_mjd_tai"] = max(known["last_mjd_tai"], row["last_mjd_tai"])
    return pa.Table.from_pylist(list(rows.values()), schema=_TRUTH_SCHEMA)


def truth_table(objects: dict[str, list[SimulatedPacket]]) -> pa.Table:
    """The truth of the packets of each object, as written to `truth.parquet`."""
    rows = [
        {
            "survey": packets[0].survey,
            "object_id": object_id,
            "type": packets[0].type,
            "class": packets[0].label,
            "redshift": packets[0].redshift if packets[0].redshift == packets[0].redshift else None,
            "alert_ids": [packet.alert_id for packet in packets],
            "first_mjd_tai": packets[0].mjd_tai,
            "last_mjd_tai": packets[-1].mjd_tai,
        }
        for object_id, packets in objects.items()
    ]
    return pa.Table.from_pylist(rows, schema=_TRUTH_SCHEMA)
