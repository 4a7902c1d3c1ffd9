"""The feature spec: every name and constant that the arrays depend on, and its hash, which a bundle must match."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from classifiers.features import cutouts, light_curve, metadata, periods, phases, spectra, statistics
from schemas.light_curve import BANDS, WAVELENGTH_AA

REVISION = 1
"""To be raised when the code of a feature changes its values and no constant below does."""


def feature_spec() -> dict[str, Any]:
    """The spec as plain JSON values."""
    return {
        "revision": REVISION,
        "bands": list(BANDS),
        "wavelength_aa": {survey: [repr(value) for value in row] for survey, row in WAVELENGTH_AA.items()},
        "light_curve": {
            "tokens": list(light_curve.TOKEN_FEATURES),
            "kinds": ["detection"],
            "night_days": light_curve.NIGHT_DAYS,
            "level_flux_njy": light_curve.LEVEL_FLUX_NJY,
            "band_centres_aa": list(light_curve.BAND_CENTRES_AA),
            "band_width_aa": light_curve.BAND_WIDTH_AA,
            "wavelength_scale_aa": light_curve.WAVELENGTH_SCALE_AA,
            "mag_per_relative_error": light_curve.MAG_PER_RELATIVE_ERROR,
            "length_buckets": list(light_curve.LENGTH_BUCKETS),
            "longer_than_the_last_bucket": "newest tokens kept",
        },
        "statistics": {
            "names": list(statistics.STATISTIC_NAMES),
            "pair_days": statistics.PAIR_DAYS,
            "recent_days": statistics.RECENT_DAYS,
            "half_flux_level": statistics.HALF_FLUX_LEVEL,
            "slope_windows_days": [list(window) for window in phases.SLOPE_WINDOWS_DAYS],
            "longest_gap_days": list(phases.LONGEST_GAP_DAYS),
            "systematic_mag": phases.SYSTEMATIC_MAG,
            "period_fewest_points": periods.FEWEST_POINTS,
            "period_shortest_span_days": periods.SHORTEST_SPAN_DAYS,
            "period_frequencies_per_day": [*periods.FREQUENCY_RANGE_PER_DAY, periods.MOST_FREQUENCIES],
            "box_periods_days": [*periods.BOX_RANGE_DAYS, periods.BOX_PERIODS, periods.BOX_DURATION_SHARE],
        },
        "metadata": {
            "features": {name: list(pair) for name, pair in metadata.METADATA_FEATURES.items()},
            "limit": metadata.LIMIT,
        },
        "cutouts": {
            "channels": list(cutouts.IMAGE_CHANNELS),
            "size": cutouts.IMAGE_SIZE,
            "brightest": cutouts.BRIGHTEST,
            "largest": cutouts.LARGEST,
            "noise_step": cutouts.NOISE_STEP,
        },
        "spectrum": {
            "channels": list(spectra.SPECTRUM_CHANNELS),
            "grid_aa": list(spectra.GRID_AA),
            "bins": spectra.GRID_BINS,
            "continuum_width": spectra.CONTINUUM_WIDTH,
            "line_levels": list(spectra.LINE_LEVELS),
            "continuum_floor": spectra.CONTINUUM_FLOOR,
            "telluric_aa": list(spectra.TELLURIC_AA),
            "feature_range": list(spectra.FEATURE_RANGE),
            "noise_range": list(spectra.NOISE_RANGE),
            "noise_zero": spectra.NOISE_ZERO,
            "redshift_range": list(spectra.REDSHIFT_RANGE),
            "fewest_bins": spectra.FEWEST_BINS,
        },
    }


def spec_hash() -> str:
    """SHA-256 of the spec's canonical JSON."""
    return hashlib.sha256(json.dumps(feature_spec(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()
