"""What the real/bogus and interest trees see of an alert: the survey's own judgements, metadata, flags, pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifiers.features.light_curve import pool_nights
from classifiers.features.metadata import METADATA_FEATURES, metadata_features
from classifiers.features.statistics import STATISTIC_NAMES, light_curve_statistics
from classifiers.quality.flags import flags_of_measures
from classifiers.quality.stamps import STAMP_MEASURES, stamp_measures
from schemas.alert import QUALITY_FLAGS, AlertBatch
from schemas.cutout import PIXEL_SCALE_ARCSEC, CutoutTriplet
from schemas.light_curve import Float32Array, FloatArray, LightCurves

SURVEY_FIELDS: dict[str, tuple[str, ...]] = {
    "ztf": (
        "candidate.drb",
        "candidate.rb",
        "candidate.nneg",
        "candidate.nbad",
        "candidate.sumrat",
        "candidate.fwhm",
        "candidate.seeratio",
        "candidate.aimagerat",
        "candidate.bimagerat",
        "candidate.classtar",
        "candidate.scorr",
        "candidate.dsdiff",
        "candidate.magdiff",
        "candidate.mindtoedge",
    ),
    "lsst": (
        "diaSource.reliability",
        "diaSource.isDipole",
        "diaSource.dipoleLength",
        "diaSource.trailLength",
        "diaSource.extendedness",
        "diaSource.shape_flag",
        "diaSource.centroid_flag",
        "diaSource.psfFlux_flag",
        "diaSource.apFlux_flag",
        "diaSource.isNegative",
        "diaSource.pixelFlags_interpolated",
        "diaSource.pixelFlags_interpolatedCenter",
    ),
}
"""The survey's own numbers about a detection, by their full names; the first are its own real/bogus scores."""

SURVEY_SCORES: dict[str, int] = {"ztf": 2, "lsst": 1}
"""How many of `SURVEY_FIELDS` are the survey's own real/bogus scores."""

FWHM_OF_SIGMA = 2.3548
"""Full width at half maximum of a Gaussian of standard deviation 1."""


def quality_feature_names(survey: str) -> tuple[str, ...]:
    """Names of what `quality_features` returns, in order."""
    flags = [f"flag_{name}" for name in QUALITY_FLAGS]
    stamps = [f"stamp_{name}" for name in STAMP_MEASURES]
    return (*SURVEY_FIELDS[survey], *METADATA_FEATURES, *flags, *stamps)


def measure(alerts: AlertBatch, cutouts: Sequence[CutoutTriplet]) -> tuple[Float32Array, npt.NDArray[np.uint32]]:
    """Stamp measures of n alerts, (n, len(STAMP_MEASURES)), and the quality bits that they set, (n,) uint32."""
    measures = stamp_measures(cutouts, _psf_width_px(alerts))
    return measures, flags_of_measures(measures, alerts.survey)


def quality_features(alerts: AlertBatch, measures: Float32Array) -> Float32Array:
    """Features of the real score of n alerts whose quality bits are complete, float32, NaN where unknown."""
    n = len(alerts)
    own = np.full((n, len(SURVEY_FIELDS[alerts.survey])), np.nan, np.float32)
    for k, name in enumerate(SURVEY_FIELDS[alerts.survey]):
        if name in alerts.metadata_names:
            own[:, k] = alerts.field(name)
    bits = (alerts.quality[:, None] >> np.arange(len(QUALITY_FLAGS), dtype=np.uint32) & 1).astype(np.float32)
    return np.concatenate([own, _metadata(alerts), bits, measures], axis=1)


INTEREST_FEATURES: tuple[str, ...] = ("real_score", *METADATA_FEATURES, *STATISTIC_NAMES)
"""What the interest trees see, in order."""


def interest_features(alerts: AlertBatch, curves: LightCurves) -> Float32Array:
    """Features of the interest of n alerts that have their real score, float32 (n, len(INTEREST_FEATURES))."""
    score = alerts.real_score[:, None].astype(np.float32)
    return np.concatenate([score, _metadata(alerts), light_curve_statistics(pool_nights(curves))], axis=1)


def _metadata(alerts: AlertBatch) -> Float32Array:
    values, known = metadata_features(alerts)
    return np.where(known > 0, values, np.float32(np.nan))


def _psf_width_px(alerts: AlertBatch) -> FloatArray:
    """Full width at half maximum of the image's PSF [pixels], NaN where the alert does not tell it."""
    if alerts.survey == "ztf":  # seeratio is the PSF's width over the source's
        return alerts.field("candidate.fwhm") * alerts.field("candidate.seeratio")
    variance = (alerts.field("diaSource.ixxPSF") + alerts.field("diaSource.iyyPSF")) / 2.0
    return FWHM_OF_SIGMA * np.sqrt(variance) / PIXEL_SCALE_ARCSEC[alerts.survey]
