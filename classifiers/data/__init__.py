"""Labelled data: what training and evaluation read, split by object, and how training changes it."""

from classifiers.data.alerts import LabelledAlerts, read_simulated_lsst_alerts, read_ztf_alerts
from classifiers.data.augment import augmented, cut_curves, cut_short, first_detections
from classifiers.data.changes import changed_cutouts, changed_metadata, changed_spectra
from classifiers.data.labelled import (
    SPLITS,
    LabelledCurves,
    LabelledSpectra,
    fine_label,
    read_light_curves,
    read_spectra,
    split_of,
)

__all__ = [
    "SPLITS",
    "LabelledAlerts",
    "LabelledCurves",
    "LabelledSpectra",
    "augmented",
    "changed_cutouts",
    "changed_metadata",
    "changed_spectra",
    "cut_curves",
    "cut_short",
    "fine_label",
    "first_detections",
    "read_light_curves",
    "read_simulated_lsst_alerts",
    "read_spectra",
    "read_ztf_alerts",
    "split_of",
]
