"""classify: asks the classifier about the selected alerts, and fills the scores' columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from isal import isal_zlib

from schemas.alert import AlertBatch
from schemas.assembling import hash_rows
from schemas.light_curve import IntArray
from schemas.prediction import NO_FEATURE, Classifier, Evidence, Predictions
from schemas.scored import NO_REVISION, ScoredBatch
from schemas.spectrum import Spectrum
from schemas.taxonomy import cut_scores
from streamer.processors.assemble import AssembledAlerts
from streamer.processors.select import Selected

NOT_FINITE = "not_finite"
"""Reason of an alert for which the classifier's numbers came out as inf or NaN without a reason of its own."""


class Classify:
    """Evidence in, scores out; the same classifier object serves every batch."""

    def __init__(self, classifier: Classifier, clock: Callable[[], float], taxonomy: tuple[str, ...] = ()) -> None:
        """`taxonomy`: the nodes of a cut whose scores are wanted beside those of the broad classes."""
        self._classifier = classifier
        self._clock = clock
        self._taxonomy = taxonomy

    def __call__(
        self, assembled: AssembledAlerts, selected: Selected, index: IntArray, revision: npt.NDArray[np.int32]
    ) -> ScoredBatch:
        """Scores of the alerts in `index` (selected, hence assessed), in order; `revision`, (n,), is of all alerts."""
        alerts = assembled.alerts.take(index)
        evidence = Evidence(
            alerts,
            assembled.curves.light_curves.take(index),
            [assembled.cutouts[i] for i in index.tolist()],
            [assembled.spectra[i] for i in index],
        )
        answer = _with_reasons(self._classifier.classify(evidence))
        summary = assembled.curves.summary[index]
        return _columns(
            alerts, answer, summary, selected.take(index), evidence, revision[index], self._taxonomy, self._clock()
        )


def _columns(
    alerts: AlertBatch,
    answer: Predictions,
    summary: npt.NDArray[np.void],
    selected: Selected,
    evidence: Evidence,
    revision: npt.NDArray[np.int32],
    taxonomy: tuple[str, ...],
    now_unix_s: float,
) -> ScoredBatch:
    """The columns of the scores, from the alerts, their light curves' summaries, the selections and the answer."""
    n = len(alerts)
    published = [np.nan if p.published_unix_s is None else p.published_unix_s for p in alerts.packets]
    return ScoredBatch(
        survey=alerts.survey,
        model=answer.model,
        version=answer.version,
        bundle_hash=answer.bundle_hash,
        alert_id=alerts.alert_id,
        object_id=alerts.object_id,
        mjd_tai=alerts.mjd_tai,
        ra_deg=alerts.ra_deg,
        dec_deg=alerts.dec_deg,
        published_unix_s=np.array(published),
        received_unix_s=np.array([packet.received_unix_s for packet in alerts.packets]),
        scored_unix_s=np.full(n, now_unix_s),
        schema_version=alerts.schema_version,
        revision=revision,
        trigger=["reprocessed" if number else "alert" for number in revision.tolist()],
        supersedes=np.where(revision > 0, revision - 1, NO_REVISION).astype(np.int32),
        evidence_hash=_evidence_hash(alerts, summary["hash"], evidence.spectra),
        modalities=answer.modalities,
        modality_weights=answer.modality_weights,
        class_scores=answer.class_scores,
        taxonomy=taxonomy,
        taxonomy_scores=cut_scores(taxonomy, answer.class_scores, answer.fine_scores),
        contributions=answer.contributions,
        prediction_set=answer.prediction_set,
        calibration=answer.calibration,
        novelty=answer.novelty,
        embedding=answer.embedding,
        real_score=alerts.real_score,
        survey_real_score=alerts.survey_real_score,
        quality=alerts.quality,
        selections=selected.names,
        selection_scores=dict(selected.scores),
        n_detections=summary["n_detections"].astype(np.int64),
        n_forced=summary["n_forced"].astype(np.int64),
        n_limits=summary["n_limits"].astype(np.int64),
        first_detection_mjd_tai=summary["first_detection_mjd_tai"],
        last_detection_mjd_tai=summary["last_detection_mjd_tai"],
        peak_flux_njy=summary["peak_flux_njy"],
        peak_band=summary["peak_band"],
        last_flux_njy=summary["last_flux_njy"],
        last_flux_err_njy=summary["last_flux_err_njy"],
        last_band=summary["last_band"],
        bands_used=summary["bands_used"],
        rights=np.maximum(summary["rights"], alerts.rights),
        context=[None] * n,
        unclassified_reason=answer.unclassified_reason,
    )


def _with_reasons(answer: Predictions) -> Predictions:
    """The answer with a reason, and without anything else, for every alert whose scores are not finite."""
    finite = np.isfinite(answer.class_scores).all(axis=1) & (
        np.isfinite(answer.embedding).all(axis=1) | np.isnan(answer.embedding).all(axis=1)
    )
    reasons = list(answer.unclassified_reason)
    broken = [i for i in np.flatnonzero(~finite).tolist() if reasons[i] is None]
    if not broken:
        return answer
    for i in broken:
        reasons[i] = NOT_FINITE
    for column in (answer.class_scores, answer.fine_scores, answer.embedding, answer.novelty):
        column[broken] = np.nan
    answer.prediction_set[broken] = False
    answer.contributions.feature[broken] = NO_FEATURE
    return replace(answer, unclassified_reason=reasons)


def _evidence_hash(
    alerts: AlertBatch, curve_hash: npt.NDArray[np.uint64], spectra: Sequence[Spectrum | None]
) -> list[str]:
    """A hash of all that a score rests on (light curve, metadata, stamps, spectrum): 16 hex digits, (n,)."""
    stamps = np.array(
        [[np.nan if stamp is None else isal_zlib.crc32(stamp) for stamp in encoded] for encoded in alerts.cutouts]
    )
    spectrum = np.array([_spectrum_digest(spectrum) for spectrum in spectra])
    mixed = hash_rows(hash_rows(hash_rows(curve_hash.copy(), alerts.metadata), stamps), spectrum)
    return [f"{value:016x}" for value in mixed.tolist()]


def _spectrum_digest(spectrum: Spectrum | None) -> tuple[float, float, float]:
    if spectrum is None:
        return (np.nan, np.nan, np.nan)
    bins = isal_zlib.crc32(spectrum.flux.tobytes(), isal_zlib.crc32(spectrum.wavelength_aa.tobytes()))
    if spectrum.flux_var is not None:
        bins = isal_zlib.crc32(spectrum.flux_var.tobytes(), bins)
    return (spectrum.mjd_tai, float(bins), np.nan if spectrum.redshift is None else spectrum.redshift)
