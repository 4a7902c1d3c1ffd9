"""Levels at fixed times from the peak, and periods of long histories."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.features import light_curve_statistics, pool_nights
from classifiers.features.periods import FEWEST_POINTS, PERIOD_NAMES, period_features
from classifiers.features.phases import PHASE_NAMES, phase_statistics
from classifiers.features.statistics import STATISTIC_NAMES
from schemas.light_curve import DETECTION, FloatArray, LightCurves

G, R = 1, 2


def curve(mjd: FloatArray, flux: FloatArray, band: list[int]) -> LightCurves:
    n = len(mjd)
    return LightCurves(
        "ztf",
        np.array([0, n]),
        mjd + 59_000.0,
        flux.astype(np.float32),
        np.full(n, 20.0, np.float32),
        np.array(band, np.uint8),
        np.full(n, DETECTION, np.uint8),
    )


def phase(curves: LightCurves, name: str) -> float:
    return float(phase_statistics(pool_nights(curves))[0, PHASE_NAMES.index(name)])


def test_a_level_is_read_between_two_detections_and_not_over_a_long_gap() -> None:
    mjd = np.array([0.0, 4.0, 9.0, 60.0])
    flux = 4e4 * 10 ** (-0.4 * np.array([1.0, 0.0, 0.5, 2.0]))
    curves = curve(mjd, flux, [R] * 4)
    assert phase(curves, "r_minus_peak_5_days_after") == pytest.approx(-0.5, abs=0.01)
    assert np.isnan(phase(curves, "r_minus_peak_30_days_after"))  # 51 d between neighbours
    assert np.isnan(phase(curves, "r_minus_peak_150_days_after"))  # beyond the last one
    assert np.isnan(phase(curves, "g_minus_peak_5_days_after"))  # no detection in g


def test_a_colour_compares_both_bands_at_one_time() -> None:
    mjd = np.array([0.0, 1.0, 9.0, 10.0, 16.0, 17.0])
    flux = np.array([4e4, 2e4, 3e4, 1.5e4, 2e4, 1e4])
    curves = curve(mjd, flux, [R, G] * 3)
    assert phase(curves, "g_minus_r_10_days_after") == pytest.approx(-2.5 * np.log10(2.0), abs=0.1)
    assert phase(curves, "g_minus_r_0_days_after") == pytest.approx(-2.5 * np.log10(2.0), abs=0.01)


def test_a_slope_is_a_weighted_line_in_its_window() -> None:
    mjd = np.array([0.0, 5.0, 10.0, 15.0, 18.0])
    curves = curve(mjd, 4e4 * 10 ** (-0.4 * 0.1 * mjd), [R] * 5)
    assert phase(curves, "r_slope_early") == pytest.approx(-0.1, abs=0.005)
    assert np.isnan(phase(curves, "r_slope_tail"))
    assert np.isnan(phase(curves, "r_slope_rise"))


def test_a_period_is_found_in_a_long_history_and_not_asked_of_a_short_one() -> None:
    rng = np.random.default_rng(1)
    mjd = np.sort(rng.uniform(0.0, 300.0, 120))
    flux = 3e4 * (1.0 + 0.4 * np.sin(2 * np.pi * mjd / 0.5873))
    found = period_features(pool_nights(curve(mjd, flux, [R] * 120)))[0]
    assert 10 ** found[PERIOD_NAMES.index("log_period_days")] == pytest.approx(0.5873, rel=2e-3)
    assert found[PERIOD_NAMES.index("period_power")] > 0.8
    short = FEWEST_POINTS - 1
    assert np.isnan(period_features(pool_nights(curve(mjd[:short], flux[:short], [R] * short)))).all()


def test_a_constant_history_has_no_period() -> None:
    mjd = np.linspace(0.0, 200.0, 80)
    assert np.isnan(period_features(pool_nights(curve(mjd, np.full(80, 3e4), [R] * 80)))).all()


def test_statistics_hold_phases_and_periods_under_their_names() -> None:
    mjd = np.linspace(0.0, 100.0, 50)
    pooled = pool_nights(curve(mjd, 4e4 * np.exp(-(((mjd - 30.0) / 20.0) ** 2)) + 500.0, [R] * 50))
    statistics = light_curve_statistics(pooled)[0]
    assert len(statistics) == len(STATISTIC_NAMES) == len(set(STATISTIC_NAMES))
    by_name = dict(zip(STATISTIC_NAMES, statistics.tolist(), strict=True))
    expected = dict(zip(PHASE_NAMES, phase_statistics(pooled)[0].tolist(), strict=True))
    assert by_name["r_minus_peak_20_days_after"] == expected["r_minus_peak_20_days_after"]
    assert np.isfinite(by_name["log_period_days"])
