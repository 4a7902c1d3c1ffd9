"""Scored alerts in batches: what the pipeline fills and what every sink and store reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from schemas.light_curve import ByteArray, Float32Array, FloatArray, IntArray
from schemas.prediction import Contributions
from schemas.taxonomy import CLASSES

TRIGGERS: tuple[str, ...] = ("alert", "spectrum", "context", "dead_letter", "reprocessed")
"""Why a score was made: the alert itself (revision 0), or what came later and asked for the next revision."""

NO_REVISION = -1
"""Value of `supersedes` where a score replaces no other."""

NO_BAND = -1
"""Value of `peak_band` and `last_band` where there is no detection."""


@dataclass(slots=True)
class ScoredBatch:
    """n scored alerts of one survey, as columns. Times are MJD TAI or UTC seconds since 1970, missing numbers NaN.

    The key of a score is (survey, alert_id, model, version, revision). An alert that no model could classify is here
    too: its class scores, novelty and embedding are NaN, and `unclassified_reason` says why.
    """

    survey: str
    model: str
    version: str
    bundle_hash: str
    alert_id: IntArray
    """(n,) ZTF candid, LSST diaSourceId."""
    object_id: list[str]
    """(n,)"""
    mjd_tai: FloatArray
    """(n,) mid-exposure of the alert's own source [d]."""
    ra_deg: FloatArray
    dec_deg: FloatArray
    published_unix_s: FloatArray
    """(n,) when the survey published it; NaN over files."""
    received_unix_s: FloatArray
    """(n,) when this service took it in."""
    scored_unix_s: FloatArray
    """(n,) when it was scored."""
    schema_version: list[str]
    """(n,) version of the survey's own schema."""
    revision: npt.NDArray[np.int32]
    """(n,) 0 for the alert's own score."""
    trigger: list[str]
    """(n,) one of `TRIGGERS`."""
    supersedes: npt.NDArray[np.int32]
    """(n,) the revision that this score replaces; NO_REVISION = none."""
    evidence_hash: list[str]
    """(n,) hash of all that the score rests on."""
    modalities: npt.NDArray[np.bool_]
    """(n, 4) what was used, in the order of `schemas.taxonomy.MODALITIES`."""
    modality_weights: Float32Array
    """(n, 4) share of each modality in the answer; 0 where not used."""
    class_scores: Float32Array
    """(n, 7) in the order of `CLASSES`; each row sums to 1, or is NaN."""
    taxonomy: tuple[str, ...]
    """Nodes of the cut of the taxonomy that the configuration asks for; () where it asks for none."""
    taxonomy_scores: Float32Array
    """(n, len(taxonomy)) scores of these nodes; each row sums to 1, or is NaN."""
    contributions: Contributions
    """The light-curve features that spoke loudest for or against each predicted class."""
    prediction_set: npt.NDArray[np.bool_]
    """(n, 7) classes in the conformal set."""
    calibration: Sequence[dict[str, Any] | None]
    """(n,) {domain, n, method}, or None: uncalibrated."""
    novelty: Float32Array
    """(n,) 0 (like the training set) to 1 (unlike it); NaN where `calibration` is None."""
    embedding: Float32Array
    """(n, EMBEDDING_LENGTH) unit norm, or NaN."""
    real_score: FloatArray
    """(n,) 0 bogus to 1 real."""
    survey_real_score: FloatArray
    """(n,) the survey's own real/bogus score (ZTF drb else rb, LSST reliability); NaN where it gives none."""
    quality: npt.NDArray[np.uint32]
    """(n,) quality bits, see `schemas.alert.QUALITY_BIT`."""
    selections: list[tuple[str, ...]]
    """(n,) names of the selections that the alert passed."""
    selection_scores: dict[str, npt.NDArray[np.floating[Any]]]
    """(n,) for each selection with a model: its score, NaN where it was not asked."""
    n_detections: IntArray
    """(n,) exposures with a difference-image source in the light curve used; this and what follows as
    `schemas.assembling.SUMMARY_DTYPE`."""
    n_forced: IntArray
    """(n,) exposures with forced photometry only."""
    n_limits: IntArray
    """(n,) exposures with an upper limit only."""
    first_detection_mjd_tai: FloatArray
    """(n,) [d]; NaN without a detection."""
    last_detection_mjd_tai: FloatArray
    """(n,) [d]; NaN without a detection."""
    peak_flux_njy: Float32Array
    """(n,) largest signed flux of a detection; NaN without one."""
    peak_band: npt.NDArray[np.int8]
    """(n,) its band, index into `BANDS`; NO_BAND without a detection."""
    last_flux_njy: Float32Array
    """(n,) flux of the last detection; NaN without one."""
    last_flux_err_njy: Float32Array
    """(n,) its 1 sigma."""
    last_band: npt.NDArray[np.int8]
    """(n,) its band, index into `BANDS`; NO_BAND without a detection."""
    bands_used: ByteArray
    """(n,) bit b is set where a token is in `BANDS[b]`."""
    rights: ByteArray
    """(n,) most restricted rights of all that the score rests on; index into `schemas.alert.DATA_RIGHTS`."""
    context: Sequence[dict[str, Any] | None]
    """(n,) flat facts about the place (name -> number, text or truth), or None."""
    unclassified_reason: Sequence[str | None]
    """(n,) why there are no class scores; None where there are."""

    def __len__(self) -> int:
        return len(self.alert_id)

    @property
    def predicted_index(self) -> IntArray:
        """Place in `CLASSES` of each alert's highest class score, shape (n,); -1 where it was not classified."""
        classified = ~np.isnan(self.class_scores.sum(axis=1))
        best = np.nan_to_num(self.class_scores).argmax(axis=1)
        return np.where(classified, best, -1)

    @property
    def predicted_class(self) -> list[str | None]:
        """The class with the highest score, (n,); None where the alert was not classified."""
        names = (*CLASSES, None)
        return [names[index] for index in self.predicted_index.tolist()]
