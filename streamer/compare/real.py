"""Real packets in a folder laid out as the developers' data: archives or files, with an `index.csv` beside them."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.packet import Packet
from streamer.compare.sample import Names, kinds_by_packet, reader_of
from streamer.sources.files import FileSource

PUBLISHED, REENCODED = "as published", "re-encoded"
"""What index.csv says in `encoding`."""

ON_SKY = "real on-sky"
"""What the index of LSST packets says in `kind` of those that the telescope saw."""

MOST_PACKETS = 500
"""So many packets of a survey and encoding are compared at most; of more, a random choice."""


@dataclass(frozen=True, slots=True)
class RealPackets:
    """Real packets of one survey and encoding."""

    survey: str
    encoding: str
    alerts: AlertBatch
    kind: Names
    """(n,) broad class, else what the packet itself says."""
    labelled: npt.NDArray[np.bool_]
    """(n,) whether the kind is a label."""


@dataclass(slots=True)
class RealData:
    """What a folder holds."""

    packets: list[RealPackets] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    """Reason: how many packets were not compared because of it."""


def read_real(folder: Path, survey: str | None, seed: int) -> RealData:
    """The real packets of a folder, those as published first; of one survey alone if named."""
    data = RealData()
    if survey in (None, "ztf"):
        _read_ztf(folder / "ztf_alerts", seed, data)
    if survey in (None, "lsst"):
        _read_lsst(folder / "lsst_alerts", seed, data)
    return data


def _read_ztf(folder: Path, seed: int, data: RealData) -> None:
    index = {row["candid"]: row for row in _index(folder)}
    archives = sorted(folder.glob("*.tar.gz"))
    if not archives:
        return
    by_encoding: dict[str, list[Packet]] = {PUBLISHED: [], REENCODED: []}
    lost: Counter[str] = Counter()
    for item in FileSource(archives):
        if not isinstance(item, Packet):
            lost[f"ZTF: {item.reason}"] += 1
            continue
        encoding = index.get(Path(item.coordinates.stream).stem, {}).get("encoding", PUBLISHED)
        by_encoding.setdefault(encoding, []).append(item)
    labels = {int(candid): row.get("label", "") for candid, row in index.items()}
    for encoding, packets in by_encoding.items():
        _add("ztf", encoding, packets, labels, seed, data, lost)
    data.left_out |= lost


def _read_lsst(folder: Path, seed: int, data: RealData) -> None:
    lost: Counter[str] = Counter()
    packets: list[Packet] = []
    labels: dict[int, str] = {}
    rows = _index(folder)
    for row in rows:
        if row["kind"] != ON_SKY:
            lost[f"LSST: {row['kind']}, not what the telescope saw"] += 1
            continue
        labels[int(row["diaSourceId"])] = row.get("label", "")
        file = folder / f"v{row['version']}" / f"{row['diaSourceId']}.bin"
        packets += [item for item in FileSource([file]) if isinstance(item, Packet)]
    _add("lsst", PUBLISHED, packets, labels, seed, data, lost)
    data.left_out |= lost


def _index(folder: Path) -> list[dict[str, str]]:
    path = folder / "index.csv"
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _add(
    survey: str,
    encoding: str,
    packets: list[Packet],
    labels: dict[int, str],
    seed: int,
    data: RealData,
    lost: Counter[str],
) -> None:
    if not packets:
        return
    if len(packets) > MOST_PACKETS:
        chosen = np.random.default_rng(seed).choice(len(packets), MOST_PACKETS, replace=False)
        lost[f"{survey.upper()} {encoding}: more than {MOST_PACKETS:,}, chosen by chance"] += (
            len(packets) - MOST_PACKETS
        )
        packets = [packets[i] for i in np.sort(chosen)]
    alerts, rejected = reader_of(survey).read(packets)
    for bad in rejected:
        lost[f"{survey.upper()}: {bad.reason}"] += 1
    label = np.array([labels.get(alert, "") for alert in alerts.alert_id.tolist()], dtype="<U16")
    kind = np.where(label == "", kinds_by_packet(alerts), label)
    data.packets.append(RealPackets(survey, encoding, alerts, kind, label != ""))
