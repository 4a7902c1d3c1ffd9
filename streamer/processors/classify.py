"""classify: reads the stamps of the selected alerts, asks the classifier, and fills the scores' columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from schemas.alert import AlertBatch
from schemas.assembling import hash_rows
from schemas.light_curve import IntArray
from schemas.prediction import Classifier, Evidence
from schemas.scored import NO_REVISION, ScoredBatch
from schemas.spectrum import Spectrum
from schemas.stamps import read_triplet
from streamer.processors.assemble import AssembledAlerts
from streamer.processors.select import Selected


class Classify:
    """Evidence in, scores out; the same classifier object serves every batch."""

    def __init__(self, classifier: Classifier, clock: Callable[[], float]) -> None:
        self._classifier = classifier
        self._clock = clock

    def __call__(self, assembled: AssembledAlerts, selected: Selected, index: IntArray) -> ScoredBatch:
        """Scores of the alerts in `index` (the selected ones), in that order."""
        alerts = assembled.alerts.take(index)
        light_curves = assembled.curves.light_curves.take(index)
        triplets, quality = [], alerts.quality.copy()
        for place, encoded in enumerate(alerts.cutouts):
            triplet, bits = read_triplet(encoded, alerts.survey)
            triplets.append(triplet)
            quality[place] |= bits
        alerts.quality = quality
        spectra = [assembled.spectra[i] for i in index]
        answer = self._classifier.classify(Evidence(alerts, light_curves, triplets, spectra))
        summary = assembled.curves.summary[index]
        n = len(alerts)
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
            published_unix_s=np.array(
                [np.nan if p.published_unix_s is None else p.published_unix_s for p in alerts.packets]
            ),
            received_unix_s=np.array([packet.received_unix_s for packet in alerts.packets]),
            scored_unix_s=np.full(n, self._clock()),
            schema_version=alerts.schema_version,
            revision=np.zeros(n, dtype=np.int32),
            trigger=["alert"] * n,
            supersedes=np.full(n, NO_REVISION, dtype=np.int32),
            evidence_hash=_evidence_hash(alerts, summary["hash"], spectra),
            modalities=answer.modalities,
            modality_weights=answer.modality_weights,
            class_scores=answer.class_scores,
            prediction_set=answer.prediction_set,
            calibration=answer.calibration,
            novelty=answer.novelty,
            embedding=answer.embedding,
            real_score=alerts.real_score,
            quality=alerts.quality,
            selections=[selected.names[i] for i in index],
            selection_scores={name: scores[index] for name, scores in selected.scores.items()},
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


def _evidence_hash(
    alerts: AlertBatch, curve_hash: npt.NDArray[np.uint64], spectra: Sequence[Spectrum | None]
) -> list[str]:
    """A hash of light curve, metadata, which stamps there are, and which spectrum was used: 16 hex digits, (n,)."""
    stamps = np.array([[stamp is not None for stamp in encoded] for encoded in alerts.cutouts], dtype=np.float64)
    spectrum = np.array([[np.nan if s is None else s.mjd_tai] for s in spectra])
    mixed = hash_rows(hash_rows(hash_rows(curve_hash.copy(), alerts.metadata), stamps), spectrum)
    return [f"{value:016x}" for value in mixed.tolist()]
