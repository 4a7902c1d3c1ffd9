"""The packets that the benches measure on: real ones where they are, simulated ones elsewhere, and said so."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro

from schemas.codec import plain_schema, read_frame, write_frame
from schemas.packet import Packet
from schemas.surveys.tables import lsst_schema_id, survey_schema
from streamer.errors import UserError
from streamer.simulate.night import NightPlan, simulate_night
from streamer.sources.files import FileSource

LSST_PACKETS = 1_024
"""LSST packets with history, each of an object of its own."""

SIMULATED_PACKETS = 1_024
"""Packets of each survey where there are no real ones."""

PREVIOUS_SOURCES, FORCED_SOURCES = 50, 100
"""History that is kept of a long LSST packet: as long as Rubin expects of a common object after a year."""

LONG_PACKETS = 5
"""How many of the longest v10 packets the LSST workload is cut from."""

LSST_VERSION = "10.0"
"""Version of the real packets with the longest histories."""

FIRST_ID = 10**17
"""Ids of the cut packets count up from here."""


@dataclass(slots=True)
class Workload:
    """Packets of one survey to measure on."""

    name: str
    """`lsst_history` or `ztf`."""
    survey: str
    source: str
    """Where the packets come from: `real ...` or `simulated`."""
    payloads: list[bytes]
    stamps: list[bytes] = field(default_factory=list)
    """Their encoded stamps, once something has looked for them."""


def workloads(data: Path | None, most: int = LSST_PACKETS) -> list[Workload]:
    """LSST packets with history and ZTF packets, `most` of each; UserError where `data` holds none of a survey."""
    if data is None:
        return [_simulated("lsst_history", "lsst", min(most, SIMULATED_PACKETS)), ztf_workload(None, most)]
    source = f"real v{LSST_VERSION}, {PREVIOUS_SOURCES} + {FORCED_SOURCES} history rows kept"
    lsst = Workload("lsst_history", "lsst", source, list(history_packets(data, most)))
    return [lsst, ztf_workload(data, most)]


def ztf_workload(data: Path | None, most: int) -> Workload:
    """ZTF packets, `most` at most; UserError where `data` holds none."""
    if data is None:
        return _simulated("ztf", "ztf", min(most, SIMULATED_PACKETS))
    return Workload("ztf", "ztf", "real, public sample", _spread(_ztf_packets(data), most))


def history_packets(data: Path, count: int) -> Iterator[bytes]:
    """`count` packets with PREVIOUS_SOURCES + FORCED_SOURCES rows, cut from the longest real ones, ids made anew."""
    long = _long_records(data)
    schema = fastavro.parse_schema(plain_schema(survey_schema("lsst", LSST_VERSION)))
    for index in range(count):
        record = dict(long[index % len(long)])
        object_id, alert_id = FIRST_ID + index, 2 * FIRST_ID + index
        record["diaSourceId"] = alert_id
        record["diaSource"] = record["diaSource"] | {"diaSourceId": alert_id, "diaObjectId": object_id}
        record["diaObject"] = record["diaObject"] | {"diaObjectId": object_id}
        record["prvDiaSources"] = record["prvDiaSources"][-PREVIOUS_SOURCES:]
        record["prvDiaForcedSources"] = record["prvDiaForcedSources"][-FORCED_SOURCES:]
        body = io.BytesIO()
        fastavro.schemaless_writer(body, schema, record)
        yield write_frame(lsst_schema_id(LSST_VERSION), body.getvalue())


def _long_records(data: Path) -> list[dict[str, Any]]:
    schema = fastavro.parse_schema(plain_schema(survey_schema("lsst", LSST_VERSION)))
    records: list[dict[str, Any]] = []
    for path in sorted((data / "lsst_alerts" / "v10_0").glob("*.bin")):
        payload = path.read_bytes()
        _, start = read_frame(payload)
        record: dict[str, Any] = fastavro.schemaless_reader(io.BytesIO(payload[start:]), schema, None)
        sources, forced = record["prvDiaSources"] or [], record["prvDiaForcedSources"] or []
        if len(sources) >= PREVIOUS_SOURCES and len(forced) >= FORCED_SOURCES and record["diaObject"]:
            records.append(record)
    records.sort(key=lambda record: -len(record["prvDiaSources"]) - len(record["prvDiaForcedSources"]))
    if not records:
        raise UserError(f"{data} holds no LSST v10 packets with long histories (lsst_alerts/v10_0/*.bin)")
    return records[:LONG_PACKETS]


def _ztf_packets(data: Path) -> list[bytes]:
    folder = data / "ztf_alerts"
    if not folder.is_dir():
        raise UserError(f"{data} holds no ZTF packets (ztf_alerts/*.tar.gz)")
    return [item.payload for item in FileSource([folder]) if isinstance(item, Packet)]


def _spread(packets: list[bytes], most: int) -> list[bytes]:
    """At most so many packets, from all of the sample: its schema versions come one after the other."""
    return packets[:: -(-len(packets) // most)]


def _simulated(name: str, survey: str, count: int) -> Workload:
    payloads = [packet.payload for packet in simulate_night(NightPlan(survey, count, nights=10, mixture="rich"))]
    return Workload(name, survey, "simulated", payloads)
