"""Labelled ZTF alerts of a data folder, decoded and assembled by the same code as the stream's."""

from __future__ import annotations

import csv
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.assembling import assemble
from schemas.cutout import CutoutTriplet
from schemas.light_curve import ROW_DTYPE, IntArray, LightCurves
from schemas.packet import Coordinates, Packet
from schemas.prediction import Evidence
from schemas.stamps import read_triplet
from schemas.surveys.ztf import ZtfReader
from schemas.taxonomy import CLASS_INDEX


@dataclass(frozen=True, slots=True)
class LabelledAlerts:
    """n labelled alerts of one survey with their packets' own light curves and stamps."""

    alerts: AlertBatch
    curves: LightCurves
    cutouts: list[CutoutTriplet]
    label: IntArray
    """(n,) index into `schemas.taxonomy.CLASSES`."""

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: npt.NDArray[np.integer]) -> LabelledAlerts:
        """The alerts in `index`, in that order."""
        chosen = [self.cutouts[int(i)] for i in index]
        return LabelledAlerts(self.alerts.take(index), self.curves.take(index), chosen, self.label[index])

    def evidence(self) -> Evidence:
        """What a classifier is given; no spectra."""
        return Evidence(self.alerts, self.curves, self.cutouts, [None] * len(self))


def read_ztf_alerts(folder: Path) -> LabelledAlerts:
    """The labelled packets of `ztf_alerts/`, each with the light curve that its own packet tells."""
    labels = _labels(folder / "ztf_alerts" / "index.csv")
    packets: list[Packet] = []
    for archive in sorted((folder / "ztf_alerts").glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            packets += [
                Packet(Coordinates(archive.name, member.name), file.read(), 0.0)
                for member in members
                if Path(member.name).stem in labels and (file := members.extractfile(member))
            ]
    alerts, _ = ZtfReader().read(packets)
    n = len(alerts)
    nothing = np.zeros(n + 1, np.int64)
    assembled = assemble(
        "ztf",
        alerts.rows,
        alerts.row_offsets,
        alerts.mjd_tai,
        np.arange(n),
        np.empty(0, ROW_DTYPE),
        nothing,
    )
    cutouts = [read_triplet(encoded, "ztf")[0] for encoded in alerts.cutouts]
    label = np.array([CLASS_INDEX[labels[str(i)]] for i in alerts.alert_id.tolist()], np.int64)
    return LabelledAlerts(alerts, assembled.light_curves, cutouts, label)


def _labels(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["candid"]: row["label"] for row in csv.DictReader(file) if row["label"] in CLASS_INDEX}
