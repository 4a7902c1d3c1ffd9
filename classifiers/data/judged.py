"""Alerts with what is known of their being real: a label, a simulated night's truth, or the survey's own score."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from classifiers.data.packets import archived_packets, loose_packets, read_alone
from schemas.alert import AlertBatch
from schemas.cutout import CutoutTriplet
from schemas.light_curve import FloatArray, IntArray, LightCurves
from schemas.packet import Packet
from schemas.surveys.lsst import LsstReader
from schemas.surveys.ztf import ZtfReader
from schemas.taxonomy import CLASS_INDEX

ON_SKY_LSST = "v10_0"
"""Folder of the LSST packets that were sent from the sky; the others are simulated or converted from these."""

BOGUS = "bogus"
"""Type of a simulated night's bogus detections."""


@dataclass(frozen=True, slots=True)
class JudgedAlerts:
    """n alerts of one survey with stamps and the light curves that their own packets tell."""

    alerts: AlertBatch
    """`quality` holds the survey's bits and those of reading the stamps."""
    curves: LightCurves
    cutouts: list[CutoutTriplet]
    real: FloatArray
    """(n,) 1 real, 0 bogus; the survey's own score where nothing better is known, NaN where not even that."""
    label: IntArray
    """(n,) index into `schemas.taxonomy.CLASSES`, -1 for none."""
    is_certain: npt.NDArray[np.bool_]
    """(n,) whether `real` is a label or a simulated night's truth, not the survey's score."""

    def __len__(self) -> int:
        return len(self.real)

    def take(self, index: npt.NDArray[np.integer]) -> JudgedAlerts:
        """The alerts in `index`, in that order."""
        return JudgedAlerts(
            self.alerts.take(index),
            self.curves.take(index),
            [self.cutouts[int(i)] for i in index],
            self.real[index],
            self.label[index],
            self.is_certain[index],
        )


def read_judged_alerts(folder: Path, survey: str) -> JudgedAlerts:
    """The real packets of a data folder: all of `ztf_alerts/`, or LSST's that came from the sky.

    An alert of a labelled object is real; of others the survey's own score is a soft teacher.
    """
    if survey == "lsst":
        files = sorted((folder / "lsst_alerts" / ON_SKY_LSST).glob("*.bin"))
        return _judged(LsstReader(), loose_packets(files), {}, {})
    labels = _labels(folder / "ztf_alerts" / "index.csv")
    return _judged(ZtfReader(), archived_packets(folder), dict.fromkeys(labels, 1.0), labels)


def read_judged_night(folder: Path, survey: str) -> JudgedAlerts:
    """The packets of a folder that `streamer simulate --survey SURVEY` wrote; its truth says which are bogus."""
    truth = pq.read_table(folder / "truth.parquet", columns=["class", "type", "alert_ids"]).to_pylist()
    real = {alert: float(row["type"] != BOGUS) for row in truth for alert in row["alert_ids"]}
    labels = {alert: CLASS_INDEX[row["class"]] for row in truth if row["class"] for alert in row["alert_ids"]}
    files = sorted(folder.glob("*.avro" if survey == "ztf" else "*.bin"))
    return _judged(ZtfReader() if survey == "ztf" else LsstReader(), loose_packets(files), real, labels)


def _judged(
    reader: ZtfReader | LsstReader, packets: list[Packet], real: dict[int, float], labels: dict[int, int]
) -> JudgedAlerts:
    read = read_alone(reader, packets)
    alerts = read.alerts
    alerts.quality = alerts.quality | read.stamp_bits
    ids = alerts.alert_id.tolist()
    known = np.array([real.get(i, np.nan) for i in ids], np.float64)
    is_certain = ~np.isnan(known)
    return JudgedAlerts(
        alerts,
        read.curves,
        read.cutouts,
        np.where(is_certain, known, alerts.survey_real_score),
        np.array([labels.get(i, -1) for i in ids], np.int64),
        is_certain,
    )


def _labels(path: Path) -> dict[int, int]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] in CLASS_INDEX]
    return {int(row["candid"]): CLASS_INDEX[row["label"]] for row in rows}
