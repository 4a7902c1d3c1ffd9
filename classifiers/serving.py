"""The bundle's classifier: evidence in, predictions out; encoders run only over alerts that have their modality."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import onnxruntime

from classifiers.bundle import FUSION_FILE, NOVELTY_FILE, TREES_FILE, Bundle, BundleError, encoder_file
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
from classifiers.features.statistics import STATISTIC_NAMES
from classifiers.forest import Forest, ForestError
from classifiers.novelty import load_novelty
from classifiers.opinion import log_probabilities
from classifiers.prior import log_prior, prior_mark, prior_shares
from classifiers.temperature import Population, Temperature, class_scores, fine_scores
from schemas.light_curve import Float32Array, FloatArray, IntArray
from schemas.prediction import NO_FEATURE, TOP_CONTRIBUTIONS, Contributions, Evidence, Predictions
from schemas.spectrum import Spectrum
from schemas.taxonomy import CLASSES, MODALITIES

LARGEST_RUN = 512
"""Alerts that go through a network at once; more are cut into runs, so that memory stays bounded."""

NO_EVIDENCE = "no_photometry"
"""Reason of an alert without a usable detection and without another modality that the bundle may use."""

LIGHT_CURVE, METADATA, CUTOUTS, SPECTRUM = range(len(MODALITIES))

ENCODER_OUTPUTS: tuple[str, ...] = ("token", "logits")
"""What an encoder's file answers."""

FUSION_OUTPUTS: tuple[str, ...] = ("fused", "embedding", "weights", "fine")
"""What the fusion's file answers, in the order of `Fused`."""


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
    statistics: Float32Array
    """(n, statistics) what the trees saw; NaN where there is no light curve."""

    @classmethod
    def joined(cls, parts: Sequence[Encoded]) -> Encoded:
        """The alerts of several, one after the other."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def take(self, index: IntArray) -> Encoded:
        """The alerts in `index`, in that order."""
        return Encoded(*(getattr(self, each.name)[index] for each in fields(self)))

    def only(self, modalities: npt.ArrayLike) -> Encoded:
        """With every modality taken away but those that are true in `modalities`, (4,) or (n, 4)."""
        present = self.present & np.asarray(modalities, np.bool_)
        return replace(self, present=present)

    def __len__(self) -> int:
        return len(self.n_detections)


class Fused(NamedTuple):
    """What the fusion says of n alerts, before prior and temperature."""

    logits: Float32Array
    """(n, classes) log likelihoods up to a constant."""
    embedding: Float32Array
    """(n, EMBEDDING_LENGTH) unit norm."""
    weights: Float32Array
    """(n, modalities) share of each in the answer."""
    fine: Float32Array
    """(n, leaves) logits of `FINE_LEAVES`, each within its parent."""


class BundleClassifier:
    """A `schemas.prediction.Classifier` from a bundle; its onnxruntime sessions run on one thread each."""

    def __init__(self, bundle: Bundle, prior: Mapping[str, float] | None = None) -> None:
        """`prior`: shares by class name in the place of the card's; ValueError where they are none.

        Scores under another prior are another version's: version and bundle hash name it.
        """
        card = bundle.card
        self.name: str = card["name"]
        self.version: str = card["version"]
        self.bundle_hash = bundle.bundle_hash
        self.card: dict[str, Any] = card
        self._surveys: dict[str, list[str]] = {name: card["modalities"][name]["surveys"] for name in MODALITIES}
        self._encoders = [
            _session(bundle, encoder_file(name), ENCODER_OUTPUTS) if encoder_file(name) in card["files"] else None
            for name in MODALITIES
        ]
        self._fusion = _session(bundle, FUSION_FILE, FUSION_OUTPUTS)
        self._width = int(self._fusion.get_inputs()[0].shape[2])
        self._forest = _forest(bundle)
        self._tree_share = float(card["tree_share"])
        self._log_prior = log_prior(_card_prior(bundle))
        self._log_ratio = None if prior is None else log_prior(prior_shares(prior)) - self._log_prior
        if prior is not None:
            mark = prior_mark(prior_shares(prior))
            self.version = f"{self.version}+prior.{mark[:8]}"
            self.bundle_hash = hashlib.sha256(f"{self.bundle_hash}{mark}".encode()).hexdigest()
        calibration = card["calibration"]
        try:
            self._temperature = Temperature.of_card(calibration["temperature"])
            self._calibrated_surveys: list[str] = calibration["surveys"]
            self._populations = [_population(calibration[group]) for group in EVIDENCE_GROUPS]
            self._novelty = load_novelty(bundle.file(NOVELTY_FILE), EVIDENCE_GROUPS)
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"the calibration of bundle {bundle.folder} cannot be read ({error!r}); fit it anew"
            ) from error

    def warm_up(self) -> None:
        """Compiles the kernels and runs the networks once in each shape, so that the first batch is not slow."""
        for length in LENGTH_BUCKETS:
            tokens, mask = np.zeros((1, length, len(TOKEN_FEATURES)), np.float32), np.ones((1, length), np.float32)
            self._put(self.blank(1), LIGHT_CURVE, np.zeros(1, np.int64), tokens, mask)
        encoded = self.blank(1)
        one = np.ones(1)
        pooled = PooledCurves("ztf", np.array([0, 1]), one, one, one, np.ones(1, np.uint8))
        self.add_light_curves(encoded, pooled)
        self.answer(encoded, "ztf")
        cutout_images([])

    def classify(self, evidence: Evidence) -> Predictions:
        """Scores every alert with whatever it has; an alert with nothing usable gets a reason instead."""
        return self.answer(self.encode(evidence), evidence.alerts.survey)

    def encode(self, evidence: Evidence) -> Encoded:
        """What the encoders say of every part of the evidence that the bundle uses for its survey."""
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
        return encoded

    def blank(self, n: int) -> Encoded:
        """Nothing known yet of n alerts."""
        return Encoded(
            np.zeros((n, len(MODALITIES), self._width), np.float32),
            np.zeros((n, len(MODALITIES), len(CLASSES)), np.float32),
            np.zeros((n, len(MODALITIES)), np.bool_),
            np.zeros(n, np.int64),
            np.full((n, len(STATISTIC_NAMES)), np.nan, np.float32),
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
            encoded.statistics = light_curve_statistics(pooled)
            opinion = log_probabilities(self._forest, encoded.statistics[rows])
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
        rows = np.flatnonzero(used)
        fused = self.fuse(encoded, rows)
        temperature = self._temperature(encoded.n_detections[rows], encoded.present[rows])
        under_card = class_scores(fused.logits, temperature, self._log_prior)
        own = self._log_ratio
        scores = under_card if own is None else class_scores(fused.logits, temperature, self._log_prior, own)
        novelty, sets = np.full(len(rows), np.nan, np.float32), np.zeros((len(rows), len(CLASSES)), np.bool_)
        domains: list[dict[str, Any] | None] = [None] * n
        if survey in self._calibrated_surveys:
            groups = evidence_group(encoded.present[rows])
            for group, population in enumerate(self._populations):
                chosen = np.flatnonzero(groups == group)
                if population is None or not len(chosen):
                    continue
                novelty[chosen] = self._novelty[group](fused.embedding[chosen])
                sets[chosen] = population.sets(under_card[chosen])
                said = population.said()
                if own is not None:
                    said["method"] += "; then an operator's own prior"
                for i in rows[chosen].tolist():
                    domains[i] = said
        return Predictions(
            model=self.name,
            version=self.version,
            bundle_hash=self.bundle_hash,
            class_scores=_over(n, rows, scores),
            fine_scores=_over(n, rows, fine_scores(scores, fused.fine)),
            prediction_set=_over(n, rows, sets, False),
            embedding=_over(n, rows, fused.embedding),
            novelty=_over(n, rows, novelty),
            modalities=encoded.present,
            modality_weights=_over(n, rows, fused.weights, 0.0),
            contributions=self._contributions(encoded, rows, scores),
            calibration=domains,
            unclassified_reason=[None if some else NO_EVIDENCE for some in used],
        )

    def fuse(self, encoded: Encoded, rows: IntArray) -> Fused:
        """What the fusion says of the alerts in `rows`, each of which has a modality. Calibration is fitted on it."""
        arrays = encoded.tokens[rows], encoded.logits[rows], encoded.present[rows].astype(np.float32)
        return Fused(*_in_runs(self._fusion, arrays, FUSION_OUTPUTS))

    def _contributions(self, encoded: Encoded, rows: IntArray, scores: Float32Array) -> Contributions:
        """The trees' reasons for the likeliest class of the alerts in `rows` that have a light curve."""
        found = Contributions.none(len(encoded), STATISTIC_NAMES)
        seen = encoded.present[rows, LIGHT_CURVE]
        explained = rows[seen]
        if not self._tree_share or not len(explained):
            return found
        values = encoded.statistics[explained]
        given = self._forest.contributions(values, scores[seen].argmax(1))
        loudest = np.argsort(-np.abs(given), axis=1, kind="stable")[:, :TOP_CONTRIBUTIONS]
        amount = np.take_along_axis(given, loudest, axis=1)
        found.feature[explained] = np.where(amount != 0.0, loudest, NO_FEATURE)
        found.value[explained] = np.take_along_axis(values, loudest, axis=1)
        found.contribution[explained] = np.where(amount != 0.0, amount, np.nan)
        return found

    def _put(self, encoded: Encoded, modality: int, rows: IntArray, *arrays: Float32Array) -> None:
        encoder = self._encoders[modality]
        if encoder is not None and len(rows):  # a bundle may do without a modality
            encoded.tokens[rows, modality], encoded.logits[rows, modality] = _in_runs(encoder, arrays, ENCODER_OUTPUTS)
            encoded.present[rows, modality] = True


EVIDENCE_GROUPS: tuple[str, ...] = ("light_curve", "alert", "spectrum")
"""Groups that are calibrated apart: light curve alone; with metadata or cutouts; with a spectrum."""


def evidence_group(present: npt.NDArray[np.bool_]) -> IntArray:
    """Index into `EVIDENCE_GROUPS` of each alert, from which modalities it has, shape (n, modalities)."""
    return np.where(present[:, SPECTRUM], 2, np.where(present[:, METADATA] | present[:, CUTOUTS], 1, 0))


def _session(bundle: Bundle, name: str, outputs: tuple[str, ...]) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            str(bundle.file(name)), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises a class of its own for each fault
        raise BundleError(f"onnxruntime cannot load {name} of bundle {bundle.folder}: {error}") from error
    if missing := sorted(set(outputs) - {each.name for each in session.get_outputs()}):
        raise BundleError(f"{name} of bundle {bundle.folder} does not answer {', '.join(missing)}; export it anew")
    return session


def _in_runs(
    session: onnxruntime.InferenceSession, arrays: tuple[Float32Array, ...], outputs: tuple[str, ...]
) -> list[Float32Array]:
    """The named outputs of a network over any number of rows."""
    names = [each.name for each in session.get_inputs()]
    parts = []
    for first in range(0, max(len(arrays[0]), 1), LARGEST_RUN):
        cut = [np.ascontiguousarray(array[first : first + LARGEST_RUN]) for array in arrays]
        parts.append(session.run(list(outputs), dict(zip(names, cut, strict=True))))
    return parts[0] if len(parts) == 1 else [np.concatenate(column) for column in zip(*parts, strict=True)]


def _over(n: int, rows: IntArray, values: npt.NDArray[Any], blank: float = np.nan) -> npt.NDArray[Any]:
    """Values of some of n rows spread over all, `blank` elsewhere."""
    if len(rows) == n:  # the usual case: nothing to spread
        return values
    out = np.full((n, *values.shape[1:]), blank, values.dtype)
    out[rows] = values
    return out


def _population(part: dict[str, Any] | None) -> Population | None:
    return None if part is None else Population(**part)


def _card_prior(bundle: Bundle) -> FloatArray:
    try:
        shares = prior_shares(bundle.card["prior"])
    except (TypeError, ValueError) as error:
        raise BundleError(f"the card of bundle {bundle.folder} has no prior that can be used: {error}") from error
    if not shares.all():
        absent = ", ".join(name for name, share in zip(CLASSES, shares, strict=True) if not share)
        raise BundleError(f"the prior of bundle {bundle.folder} rules out {absent}: no other prior could bring it back")
    return shares


def _forest(bundle: Bundle) -> Forest:
    try:
        forest = Forest.read(bundle.file(TREES_FILE))
    except ForestError as error:
        raise BundleError(f"{TREES_FILE} of bundle {bundle.folder}: {error}") from error
    if (forest.classes, forest.features) != (len(CLASSES), len(STATISTIC_NAMES)):
        raise BundleError(
            f"{TREES_FILE} of bundle {bundle.folder} answers {forest.classes} classes from {forest.features} features; "
            f"this version knows {len(CLASSES)} and {len(STATISTIC_NAMES)}"
        )
    return forest
