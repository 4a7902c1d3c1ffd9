"""The bundle's classifier: evidence in, predictions out; encoders run only over alerts that have their modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import onnxruntime

from classifiers.bundle import FUSION_FILE, NOVELTY_FILE, TREES_FILE, Bundle, BundleError, encoder_file
from classifiers.calibration import Calibration, load_novelty
from classifiers.features import (
    LENGTH_BUCKETS,
    PooledCurves,
    bucket_lengths,
    cutout_images,
    light_curve_statistics,
    light_curve_tokens,
    metadata_features,
    pool_nights,
    spectrum_channels,
)
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.opinion import log_probabilities
from schemas.light_curve import Float32Array, IntArray
from schemas.prediction import EMBEDDING_LENGTH, Evidence, Predictions
from schemas.spectrum import Spectrum
from schemas.taxonomy import CLASSES, MODALITIES

LARGEST_RUN = 512
"""Alerts that go through a network at once; more are cut into runs, so that memory stays bounded."""

NO_EVIDENCE = "no_photometry"
"""Reason of an alert without a usable detection and without another modality that the bundle may use."""

LIGHT_CURVE, METADATA, CUTOUTS, SPECTRUM = range(len(MODALITIES))


@dataclass(slots=True)
class Encoded:
    """What the encoders say of n alerts; zeros where a modality is absent."""

    tokens: Float32Array
    """(n, modalities, token width)"""
    logits: Float32Array
    """(n, modalities, classes)"""
    present: npt.NDArray[np.bool_]
    """(n, modalities)"""
    n_detections: IntArray
    """(n,) detections after pooling by night and band."""

    def __len__(self) -> int:
        return len(self.n_detections)


class BundleClassifier:
    """A `schemas.prediction.Classifier` from a bundle; its onnxruntime sessions run on one thread each."""

    def __init__(self, bundle: Bundle) -> None:
        card = bundle.card
        self.name: str = card["name"]
        self.version: str = card["version"]
        self.bundle_hash = bundle.bundle_hash
        self.card: dict[str, Any] = card
        self._surveys: dict[str, list[str]] = {name: card["modalities"][name]["surveys"] for name in MODALITIES}
        self._encoders = [_session(bundle, encoder_file(name)) for name in MODALITIES]
        self._fusion = _session(bundle, FUSION_FILE)
        self._width = int(self._fusion.get_inputs()[0].shape[2])
        self._trees = lightgbm.Booster(model_file=str(bundle.file(TREES_FILE)))
        self._tree_share = float(card["tree_share"])
        self._calibrated_surveys: list[str] = card["calibration"]["surveys"]
        self._calibration = [Calibration.from_card(card["calibration"][group]) for group in EVIDENCE_GROUPS]
        self._novelty = load_novelty(bundle.file(NOVELTY_FILE), EVIDENCE_GROUPS)

    def warm_up(self) -> None:
        """Compiles the kernels and runs the networks once in each shape, so that the first batch is not slow."""
        for length in LENGTH_BUCKETS:
            shape = (1, length)
            self._run(LIGHT_CURVE, np.zeros((*shape, len(TOKEN_FEATURES)), np.float32), np.ones(shape, np.float32))
        encoded = self.blank(1)
        one = np.ones(1)
        pooled = PooledCurves("ztf", np.array([0, 1]), one, one, one, np.ones(1, np.uint8))
        self.add_light_curves(encoded, pooled)
        self.answer(encoded, "ztf")
        cutout_images([])

    def classify(self, evidence: Evidence) -> Predictions:
        """Scores every alert with whatever it has; an alert with nothing usable gets a reason instead."""
        survey = evidence.alerts.survey
        encoded = self.blank(len(evidence))
        may = [survey in self._surveys[name] for name in MODALITIES]
        if may[LIGHT_CURVE]:
            self.add_light_curves(encoded, pool_nights(evidence.light_curves))
        if may[METADATA]:
            self.add_metadata(encoded, *metadata_features(evidence.alerts))
        if may[CUTOUTS]:
            self.add_cutouts(encoded, *cutout_images(evidence.cutouts))
        if may[SPECTRUM]:
            held = [i for i, spectrum in enumerate(evidence.spectra) if spectrum is not None]
            self.add_spectra(encoded, np.array(held, np.int64), [s for s in evidence.spectra if s is not None])
        return self.answer(encoded, survey)

    def blank(self, n: int) -> Encoded:
        """Nothing known yet of n alerts."""
        return Encoded(
            np.zeros((n, len(MODALITIES), self._width), np.float32),
            np.zeros((n, len(MODALITIES), len(CLASSES)), np.float32),
            np.zeros((n, len(MODALITIES)), np.bool_),
            np.zeros(n, np.int64),
        )

    def add_light_curves(self, encoded: Encoded, pooled: PooledCurves) -> None:
        """Encodes the light curves in buckets of length, and blends the trees' opinion into their logits."""
        buckets = bucket_lengths(pooled)
        for length in LENGTH_BUCKETS:
            rows = np.flatnonzero(buckets == length)
            if len(rows):
                self._put(encoded, LIGHT_CURVE, rows, *light_curve_tokens(pooled, rows, length))
        encoded.n_detections = pooled.lengths()
        rows = np.flatnonzero(buckets)
        if self._tree_share > 0 and len(rows):
            statistics = light_curve_statistics(pooled)[rows]
            opinion = log_probabilities(self._trees, statistics)
            network = encoded.logits[rows, LIGHT_CURVE]
            encoded.logits[rows, LIGHT_CURVE] = (1 - self._tree_share) * network + self._tree_share * opinion

    def add_metadata(self, encoded: Encoded, values: Float32Array, known: Float32Array) -> None:
        """Encodes the metadata of the alerts of which any value is known."""
        rows = np.flatnonzero(known.any(1))
        self._put(encoded, METADATA, rows, values[rows], known[rows])

    def add_cutouts(
        self, encoded: Encoded, images: Float32Array, scale: Float32Array, seen: npt.NDArray[np.bool_]
    ) -> None:
        """Encodes the cutouts of the alerts that have any good pixel."""
        rows = np.flatnonzero(seen)
        whole = len(rows) == len(seen)  # the usual case: nothing to copy
        self._put(encoded, CUTOUTS, rows, images if whole else images[rows], scale if whole else scale[rows])

    def add_spectra(self, encoded: Encoded, rows: IntArray, spectra: list[Spectrum]) -> None:
        """Encodes the spectra of the alerts `rows`, those that reach far enough onto the grid."""
        channels, usable = spectrum_channels(spectra)
        self._put(encoded, SPECTRUM, rows[usable], channels[usable])

    def answer(self, encoded: Encoded, survey: str) -> Predictions:
        """Fuses what the encoders said; calibration, sets and novelty only for the surveys that the card supports."""
        n = len(encoded)
        used: npt.NDArray[np.bool_] = np.logical_or.reduce(encoded.present, axis=1)
        scores, embedding = (
            np.full((n, len(CLASSES)), np.nan, np.float32),
            np.full((n, EMBEDDING_LENGTH), np.nan, np.float32),
        )
        novelty, weights = np.full(n, np.nan, np.float32), np.zeros((n, len(MODALITIES)), np.float32)
        sets = np.zeros((n, len(CLASSES)), np.bool_)
        domains: list[dict[str, Any] | None] = [None] * n
        groups = evidence_group(encoded.present)
        for group, calibration in enumerate(self._calibration):
            rows = np.flatnonzero(used & (groups == group))
            if not len(rows):
                continue
            logits, embedding[rows], weights[rows] = self._fuse(encoded, rows)
            scores[rows] = calibration.scores(logits, encoded.n_detections[rows])
            if survey in self._calibrated_surveys:
                calibrated = rows[encoded.present[rows][:, (LIGHT_CURVE, SPECTRUM)].any(1)]
                novelty[calibrated] = self._novelty[group](embedding[calibrated])
                sets[calibrated] = calibration.sets(scores[calibrated])
                for i in calibrated.tolist():
                    domains[i] = calibration.said()
        return Predictions(
            model=self.name,
            version=self.version,
            bundle_hash=self.bundle_hash,
            class_scores=scores,
            prediction_set=sets,
            embedding=embedding,
            novelty=novelty,
            modalities=encoded.present,
            modality_weights=weights,
            calibration=domains,
            unclassified_reason=[None if some else NO_EVIDENCE for some in used],
        )

    def fused_logits(self, encoded: Encoded) -> Float32Array:
        """Class logits before calibration, shape (n, classes); what calibration is fitted on."""
        return self._fuse(encoded, np.arange(len(encoded)))[0]

    def _put(self, encoded: Encoded, modality: int, rows: IntArray, *arrays: Float32Array) -> None:
        if len(rows):
            encoded.tokens[rows, modality], encoded.logits[rows, modality] = self._run(modality, *arrays)
            encoded.present[rows, modality] = True

    def _run(self, modality: int, *arrays: Float32Array) -> list[Float32Array]:
        return _in_runs(self._encoders[modality], arrays)

    def _fuse(self, encoded: Encoded, rows: IntArray) -> list[Float32Array]:
        present = encoded.present[rows].astype(np.float32)
        return _in_runs(self._fusion, (encoded.tokens[rows], encoded.logits[rows], present))


EVIDENCE_GROUPS: tuple[str, ...] = ("light_curve", "alert", "spectrum")
"""Groups that are calibrated apart: light curve alone; with metadata or cutouts; with a spectrum."""


def evidence_group(present: npt.NDArray[np.bool_]) -> IntArray:
    """Index into `EVIDENCE_GROUPS` of each alert, from which modalities it has, shape (n, modalities)."""
    return np.where(present[:, SPECTRUM], 2, np.where(present[:, METADATA] | present[:, CUTOUTS], 1, 0))


def _session(bundle: Bundle, name: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(bundle.file(name)), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises a class of its own for each fault
        raise BundleError(f"onnxruntime cannot load {name} of bundle {bundle.folder}: {error}") from error


def _in_runs(session: onnxruntime.InferenceSession, arrays: tuple[Float32Array, ...]) -> list[Float32Array]:
    """Outputs of a network over any number of rows."""
    names = [each.name for each in session.get_inputs()]
    parts = []
    for first in range(0, len(arrays[0]), LARGEST_RUN):
        cut = [np.ascontiguousarray(array[first : first + LARGEST_RUN]) for array in arrays]
        parts.append(session.run(None, dict(zip(names, cut, strict=True))))
    return parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]
