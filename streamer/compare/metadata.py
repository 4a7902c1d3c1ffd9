"""The numbers that a survey writes about a detection, as sent: sentinels stay, so that they are compared too."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro

from schemas.codec import Body
from schemas.packet import Packet
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader
from streamer.compare.tables import Table, table_of

_ZTF_LEFT_OUT = frozenset(
    (
        "candid pid jd fid nid field rcid programid tblid ra dec ranr decnr rfid objectidps1 objectidps2 objectidps3 "
        "jdstarthist jdendhist jdstartref jdendref isdiffpos"
    ).split()
)
"""Ids, absolute times, places on the sky, and what the samples are matched by."""

_LSST_RECORDS = ("diaSource", "diaObject", "ssSource", "mpc_orbits")

_LSST_LEFT_OUT = re.compile(
    r"(Id|MjdTai|Ra|Dec|Lambda|Beta|Lon|Lat)$"  # ids, times, places on the sky
    r"|^(id|ra|dec|visit|detector|band|validityStart|validityEnd|time_processed|time_withdrawn)$"
    r"|^(epoch_mjd|peri_time|node|argperi|mean_anomaly|created_at|updated_at|fitting_datetime)$"
    r"|^(helio|topo)_[xyzv]"  # vectors say where the Earth was
)

Reader = ZtfReader | LsstReader


def metadata_table(reader: Reader, packets: Sequence[Packet]) -> Table:
    """The survey's own numbers of each packet; PacketError where one cannot be read."""
    numbers = _ztf_numbers if reader.survey == "ztf" else _lsst_numbers
    return table_of([numbers(_record(reader.locate(packet.payload))) for packet in packets])


def _record(body: Body) -> dict[str, Any]:
    data = io.BytesIO(body.buffer[body.start : body.end])
    record = fastavro.schemaless_reader(data, body.schema, None)
    if not isinstance(record, dict):
        raise TypeError("a packet is one record")
    return record


def _ztf_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    candidate = record["candidate"]
    numbers = {
        name: float(value)
        for name, value in candidate.items()
        if isinstance(value, int | float) and name not in _ZTF_LEFT_OUT
    }
    numbers["isdiffpos"] = float(candidate["isdiffpos"] in ("t", "1"))
    numbers["has ssnamenr"] = float(candidate.get("ssnamenr") not in (None, "null", ""))
    for name, end, begin in (
        ("jd - jdstarthist", "jd", "jdstarthist"),
        ("jd - jdendhist", "jd", "jdendhist"),
        ("jdendref - jdstartref", "jdendref", "jdstartref"),
    ):
        if candidate.get(end) is not None and candidate.get(begin) is not None:
            numbers[name] = candidate[end] - candidate[begin]
    return numbers


def _lsst_numbers(record: Mapping[str, Any]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for part in _LSST_RECORDS:
        fields = record.get(part) or {}
        numbers[f"has {part}"] = float(bool(fields))
        for name, value in fields.items():
            if isinstance(value, int | float) and not _LSST_LEFT_OUT.search(name):
                numbers[f"{part}.{name}"] = float(value)
    source, known = record["diaSource"], record.get("diaObject") or {}
    first = known.get("firstDiaSourceMjdTai")
    if first is not None:
        numbers["midpointMjdTai - firstDiaSourceMjdTai"] = source["midpointMjdTai"] - first
    return numbers
