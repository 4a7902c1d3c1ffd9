"""Labelled alerts of a data folder or a simulated night, decoded and assembled by the same code as the stream's."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from classifiers.data.labelled import fine_label
from classifiers.data.packets import archived_packets, loose_packets, read_alone
from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import IntArray, LightCurves
from schemas.packet import Packet
from schemas.prediction import Evidence
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader
from schemas.taxonomy import CLASS_INDEX

Label = tuple[str, str]
"""Broad class and type, as a list or a simulated night's truth spells them."""

UNLABELLED: Label = ("", "")
"""Of an alert whose class no list tells."""


@dataclass(frozen=True, slots=True)
class LabelledAlerts:
    """n labelled alerts of one survey with their packets' own light curves and stamps."""

    alerts: AlertBatch
    curves: LightCurves
    cutouts: list[CutoutTriplet]
    label: IntArray
    """(n,) index into `schemas.taxonomy.CLASSES`; -1 where none is known, which only pretraining takes."""
    fine: IntArray
    """(n,) index into `schemas.taxonomy.FINE_LEAVES`, -1 where the type says no more than the class."""

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: npt.NDArray[np.integer]) -> LabelledAlerts:
        """The alerts in `index`, in that order."""
        chosen = [self.cutouts[int(i)] for i in index]
        return LabelledAlerts(
            self.alerts.take(index), self.curves.take(index), chosen, self.label[index], self.fine[index]
        )

    def evidence(self) -> Evidence:
        """What a classifier is given; no spectra."""
        return Evidence(self.alerts, self.curves, self.cutouts, [None] * len(self))


def read_ztf_alerts(folder: Path) -> LabelledAlerts:
    """The labelled packets of `ztf_alerts/`, each with the light curve that its own packet tells."""
    labels = _labels(folder / "ztf_alerts" / "index.csv")
    return _labelled(
        ZtfReader(), archived_packets(folder, labels), {int(candid): label for candid, label in labels.items()}
    )


def read_simulated_lsst_alerts(folder: Path) -> LabelledAlerts:
    """The packets of a folder that `streamer simulate --survey lsst` wrote, of the objects that have a class."""
    truth = pq.read_table(folder / "truth.parquet", columns=["class", "type", "alert_ids"]).to_pylist()
    known = [row for row in truth if row["class"] in CLASS_INDEX]
    labels = {alert: (row["class"], row["type"]) for row in known for alert in row["alert_ids"]}
    files = [path for path in sorted(folder.glob("*.bin")) if int(path.stem) in labels]
    return _labelled(LsstReader(), loose_packets(files), labels)


def no_alerts() -> LabelledAlerts:
    """None at all."""
    return _labelled(ZtfReader(), [], {})


def read_unlabelled_ztf_alerts(folder: Path) -> LabelledAlerts:
    """The packets of `ztf_alerts/` whose index gives no class, for pretraining."""
    index = folder / "ztf_alerts" / "index.csv"
    if not index.is_file():
        return no_alerts()
    with index.open(newline="", encoding="utf-8") as file:
        wanted = {row["candid"] for row in csv.DictReader(file) if not row["label"]}
    return _labelled(ZtfReader(), archived_packets(folder, wanted), {})


def read_unlabelled_lsst_alerts(folder: Path) -> LabelledAlerts:
    """The packets below `lsst_alerts/`, for pretraining: none of them has a class."""
    files = sorted((folder / "lsst_alerts").glob("v*/*.bin"))
    return _labelled(LsstReader(), loose_packets(files), {})


def _labelled(reader: ZtfReader | LsstReader, packets: list[Packet], labels: Mapping[int, Label]) -> LabelledAlerts:
    """Packets decoded, each with the light curve that it tells by itself."""
    read = read_alone(reader, packets)
    known = [labels.get(i, UNLABELLED) for i in read.alerts.alert_id.tolist()]
    label = np.array([CLASS_INDEX.get(name, -1) for name, _ in known], np.int64)
    fine = np.array([fine_label(*each) for each in known], np.int64)
    return LabelledAlerts(read.alerts, read.curves, read.cutouts, label, fine)


def _labels(path: Path) -> dict[str, Label]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["candid"]: (row["label"], row["type"]) for row in csv.DictReader(file) if row["label"] in CLASS_INDEX
        }
