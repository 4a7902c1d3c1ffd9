"""Packets of a data folder, decoded and assembled one by one by the same code as the stream's."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.assembling import assemble
from schemas.cutout import CutoutTriplet
from schemas.light_curve import ROW_DTYPE, LightCurves
from schemas.packet import Coordinates, Packet
from schemas.stamps import read_triplet
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader


@dataclass(frozen=True, slots=True)
class ReadPackets:
    """n alerts of one survey with the light curve that each packet tells by itself, and its stamps."""

    alerts: AlertBatch
    curves: LightCurves
    cutouts: list[CutoutTriplet]
    stamp_bits: npt.NDArray[np.uint32]
    """(n,) quality bits found while the stamps were read."""
    unreadable: int
    """Packets that could not be read."""


def read_alone(reader: ZtfReader | LsstReader, packets: list[Packet]) -> ReadPackets:
    """Packets decoded, each with the light curve that it tells by itself."""
    alerts, rejected = reader.read(packets)
    n = len(alerts)
    none_stored = np.empty(0, ROW_DTYPE), np.zeros(n + 1, np.int64)
    assembled = assemble(alerts.survey, alerts.rows, alerts.row_offsets, alerts.mjd_tai, np.arange(n), *none_stored)
    read = [read_triplet(encoded, alerts.survey) for encoded in alerts.cutouts]
    bits = np.array([found for _, found in read], np.uint32)
    return ReadPackets(alerts, assembled.light_curves, [triplet for triplet, _ in read], bits, len(rejected))


def archived_packets(folder: Path, wanted: Collection[str] | None = None) -> list[Packet]:
    """The packets in the archives of `ztf_alerts/`: all, or those with the wanted candids."""
    packets: list[Packet] = []
    for archive in sorted((folder / "ztf_alerts").glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            packets += [
                Packet(Coordinates(archive.name, member.name), file.read(), 0.0)
                for member in members
                if member.name.endswith(".avro")
                and (wanted is None or Path(member.name).stem in wanted)
                and (file := members.extractfile(member))
            ]
    return packets


def loose_packets(files: Iterable[Path]) -> list[Packet]:
    """Packets that are files of their own, in the order given."""
    return [Packet(Coordinates(str(path), path.name), path.read_bytes(), 0.0) for path in files]
