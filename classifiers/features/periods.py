"""Periods of long histories for the trees: Lomb-Scargle and box least squares by astropy; NaN for short histories.

The best-sampled band of each curve is looked at by itself, so that colours make no period. A curve of fewer than
`FEWEST_POINTS` nights in that band, or one shorter than `SHORTEST_SPAN_DAYS`, has no period features: most
transients never ask for any, and cost nothing.
"""

from __future__ import annotations

import numpy as np

from classifiers.features.light_curve import LEVEL_FLUX_NJY, MAG_PER_RELATIVE_ERROR, PooledCurves
from schemas.light_curve import BANDS, Float32Array, FloatArray

PERIOD_NAMES: tuple[str, ...] = (
    "log_period_days",
    "period_power",
    "half_frequency_power",
    "box_log_period_days",
    "box_depth_over_noise",
    "box_duration_share",
)
"""Best Lomb-Scargle period and its normalised power, the power at half its frequency (binaries), and the best box."""

FEWEST_POINTS = 40
"""Fewest nights of the best-sampled band."""

SHORTEST_SPAN_DAYS = 60.0
"""Shortest span of its detections [d]."""

FREQUENCY_RANGE_PER_DAY: tuple[float, float] = (0.005, 4.0)
"""Frequencies searched [1/d]: 6 hours to 200 days."""

MOST_FREQUENCIES = 4096
"""Frequencies are at most this many, evenly spaced; a longer history is searched more coarsely."""

FASTEST_ALGORITHM = "fasper"
"""Of astropy's two fast algorithms (Press & Rybicki 1989); with it a curve takes 3 ms instead of 26."""

BOX_PERIODS = 100
"""Periods of the box search, evenly spaced in logarithm from `BOX_RANGE_DAYS`."""

BOX_RANGE_DAYS: tuple[float, float] = (0.5, 20.0)
"""Periods of the box search [d]."""

BOX_DURATION_SHARE = 0.1
"""Duration of a box, as a share of the shortest period."""


def period_features(pooled: PooledCurves) -> Float32Array:
    """Period features of each alert's curve, shape (n, len(PERIOD_NAMES)), float32, NaN for short histories.

    VanderPlas 2018 (Lomb-Scargle), Kovacs, Zucker & Mazeh 2002 (box least squares), as astropy has them.
    """
    out = np.full((len(pooled), len(PERIOD_NAMES)), np.nan, np.float32)
    for i in np.flatnonzero(pooled.lengths() >= FEWEST_POINTS).tolist():
        rows = slice(pooled.offsets[i], pooled.offsets[i + 1])
        band = pooled.band[rows]
        best = band == np.bincount(band, minlength=len(BANDS)).argmax()
        t, flux, err = pooled.mjd_tai[rows][best], pooled.flux_njy[rows][best], pooled.flux_err_njy[rows][best]
        if len(t) >= FEWEST_POINTS and t[-1] - t[0] >= SHORTEST_SPAN_DAYS:
            scale = 2.0 * LEVEL_FLUX_NJY
            level = MAG_PER_RELATIVE_ERROR * np.arcsinh(flux / scale)
            if np.ptp(level) > 0:
                out[i] = _periods(t - t[0], level, MAG_PER_RELATIVE_ERROR * err / np.hypot(flux, scale))
    return out


def _periods(t: FloatArray, level: FloatArray, noise: FloatArray) -> FloatArray:
    """The six numbers of one curve that is not constant."""
    # Imported here: astropy takes half a second to load, and most programs never meet a long history.
    from astropy.timeseries import BoxLeastSquares, LombScargle

    low, high = FREQUENCY_RANGE_PER_DAY
    frequency = np.linspace(low, high, min(MOST_FREQUENCIES, int(5.0 * (high - low) * t[-1])))
    noise = np.hypot(noise, 0.02)
    waves = LombScargle(t, level, noise, normalization="standard", fit_mean=False)
    power = waves.power(
        frequency, method="fast", assume_regular_frequency=True, method_kwds={"algorithm": FASTEST_ALGORITHM}
    )
    best = int(np.argmax(power))
    half = waves.power(frequency[best : best + 1] / 2.0, method="slow")[0]
    boxes = BoxLeastSquares(t, level, noise)
    shortest = BOX_RANGE_DAYS[0]
    found = boxes.power(np.geomspace(*BOX_RANGE_DAYS, BOX_PERIODS), BOX_DURATION_SHARE * shortest, objective="snr")
    place = int(np.argmax(found.power))
    period = found.period[place]
    return np.array(
        [
            -np.log10(frequency[best]),
            power[best],
            half,
            np.log10(period),
            found.depth_snr[place],
            found.duration[place] / period,
        ]
    )
