"""Made-up real data: simulated nights of other seeds, laid out as a folder of real packets is."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fastavro
import pytest

from schemas.surveys.tables import survey_schema
from streamer.simulate.night import NightPlan, simulate_night
from streamer.simulate.packet import SimulatedPacket

Change = Callable[[dict[str, Any]], None]

NIGHTS, PACKETS = 14, 14


def ztf_packets(first_seed: int) -> list[SimulatedPacket]:
    """Packets of several nights."""
    plans = [NightPlan("ztf", PACKETS, first_seed + night, mixture="rich", schema="4.02") for night in range(NIGHTS)]
    return [packet for plan in plans for packet in simulate_night(plan)]


def changed(payload: bytes, change: Change) -> bytes:
    """The same packet with another candidate."""
    record: Any = next(iter(fastavro.reader(io.BytesIO(payload))))
    change(record["candidate"])
    out = io.BytesIO()
    fastavro.writer(out, survey_schema("ztf", "4.02"), [record])
    return out.getvalue()


def write_ztf(folder: Path, packets: list[SimulatedPacket], encoding: str, change: Change | None = None) -> None:
    """Packets as an archive with its index; transients and variables keep their class, others are unlabelled."""
    folder.mkdir(parents=True)
    rows: list[Mapping[str, Any]] = []
    with tarfile.open(folder / "sample.tar.gz", "w:gz") as archive:
        for packet in packets:
            payload = changed(packet.payload, change) if change else packet.payload
            member = tarfile.TarInfo(packet.file_name)
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
            rows.append({"candid": packet.alert_id, "encoding": encoding, "label": packet.label or ""})
    _write_index(folder, rows)


def write_lsst(folder: Path, packets: list[SimulatedPacket], kind: str) -> None:
    """Packets as files with their index."""
    (folder / "v10_0").mkdir(parents=True)
    for packet in packets:
        (folder / "v10_0" / packet.file_name).write_bytes(packet.payload)
    _write_index(
        folder, [{"version": "10_0", "diaSourceId": one.alert_id, "kind": kind, "label": ""} for one in packets]
    )


def _write_index(folder: Path, rows: list[Mapping[str, Any]]) -> None:
    with (folder / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def ztf_nights() -> list[SimulatedPacket]:
    return ztf_packets(70)
