"""Labelled data: what training and evaluation read, split by object, and how training changes it."""

from classifiers.data.alerts import LabelledAlerts, read_simulated_lsst_alerts, read_ztf_alerts
from classifiers.data.augment import augmented, cut_curves, cut_short, first_detections
from classifiers.data.both_ways import read_moved_spectra, read_spectra_both_ways
from classifiers.data.changes import changed_cutouts, changed_metadata
from classifiers.data.labelled import (
    SPLITS,
    LabelledCurves,
    LabelledSpectra,
    fifth_of,
    fine_label,
    read_light_curves,
    read_spectra,
    split_of,
)
from classifiers.data.own import CurveRow, Labelled, SpectrumRow, labelled
from classifiers.data.spectrum_changes import changed_spectra

__all__ = [
    "SPLITS",
    "CurveRow",
    "Labelled",
    "LabelledAlerts",
    "LabelledCurves",
    "LabelledSpectra",
    "SpectrumRow",
    "augmented",
    "changed_cutouts",
    "changed_metadata",
    "changed_spectra",
    "cut_curves",
    "cut_short",
    "fifth_of",
    "fine_label",
    "first_detections",
    "labelled",
    "read_light_curves",
    "read_moved_spectra",
    "read_simulated_lsst_alerts",
    "read_spectra",
    "read_spectra_both_ways",
    "read_ztf_alerts",
    "split_of",
]
