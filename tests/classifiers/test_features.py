"""What must hold of the arrays that networks and trees are given."""

from __future__ import annotations

import numpy as np
import pytest

from classifiers.features import (
    LENGTH_BUCKETS,
    bucket_lengths,
    cutout_images,
    light_curve_statistics,
    light_curve_tokens,
    metadata_features,
    pool_nights,
    spec_hash,
    spectrum_channels,
)
from classifiers.features.cutouts import IMAGE_SIZE
from classifiers.features.light_curve import TOKEN_FEATURES
from classifiers.features.metadata import METADATA_FEATURES
from classifiers.features.statistics import STATISTIC_NAMES
from schemas.cutout import CutoutTriplet
from schemas.light_curve import DETECTION, FORCED, LIMIT, LightCurves
from tests.classifiers import made_up

EVERY_LENGTH = [0, 1, 2, 15, 16, 17, 60, 200, 10_000]


def light_curve(rows: list[tuple[float, float, float, int, int]]) -> LightCurves:
    """One curve from (day, flux, error, band, kind)."""
    columns = np.array(rows, np.float64).reshape(-1, 5).T
    return LightCurves(
        "ztf",
        np.array([0, len(rows)]),
        59_000.0 + columns[0],
        columns[1].astype(np.float32),
        columns[2].astype(np.float32),
        columns[3].astype(np.uint8),
        columns[4].astype(np.uint8),
    )


def named(row: np.ndarray, names: tuple[str, ...], name: str) -> float:
    return float(row[names.index(name)])


def test_detections_of_one_band_and_night_become_one_token_of_their_weighted_mean() -> None:
    pooled = pool_nights(
        light_curve(
            [(0.0, 100.0, 10.0, 2, 0), (0.1, 200.0, 20.0, 2, 0), (0.2, 300.0, 10.0, 1, 0), (1.0, 50.0, 5.0, 2, 0)]
        )
    )
    assert pooled.band.tolist() == [2, 1, 2]
    assert pooled.flux_njy[0] == pytest.approx((100 / 100 + 200 / 400) / (1 / 100 + 1 / 400))
    assert pooled.flux_err_njy[0] == pytest.approx((1 / 100 + 1 / 400) ** -0.5)
    assert pooled.mjd_tai[0] == pytest.approx(59_000.05)


def test_only_good_detections_become_tokens() -> None:
    nan = float("nan")
    rows = [
        (0.0, 100.0, 10.0, 2, DETECTION),
        (1.0, 100.0, 10.0, 2, FORCED),
        (2.0, nan, 10.0, 2, LIMIT),
        (3.0, nan, 10.0, 2, DETECTION),
        (4.0, 100.0, nan, 2, DETECTION),
        (5.0, 100.0, 0.0, 2, DETECTION),
        (6.0, 100.0, 10.0, 255, DETECTION),
    ]
    assert pool_nights(light_curve(rows)).lengths().tolist() == [1]


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_light_curve_arrays_are_finite_at_every_length(survey: str) -> None:
    pooled = pool_nights(made_up.curves(EVERY_LENGTH, survey))
    buckets = bucket_lengths(pooled)
    assert buckets.tolist() == [0, 16, 16, 16, 16, 32, 64, 256, 256]
    for length in LENGTH_BUCKETS:
        rows = np.flatnonzero(buckets == length)
        tokens, mask = light_curve_tokens(pooled, rows, length)
        assert tokens.shape == (len(rows), length, len(TOKEN_FEATURES))
        assert tokens.dtype == mask.dtype == np.float32
        assert np.isfinite(tokens).all()
        assert not tokens[mask == 0].any()
        assert mask.sum(1).tolist() == np.minimum(pooled.lengths()[rows], length).tolist()


def test_a_longer_history_than_the_last_bucket_keeps_the_newest_tokens() -> None:
    pooled = pool_nights(made_up.curves([1000]))
    last, _ = light_curve_tokens(pooled, np.array([0]), 256)
    whole, _ = light_curve_tokens(pooled, np.array([0]), 1000)
    np.testing.assert_array_equal(last[0], whole[0, -256:])


def test_later_detections_change_no_time_since_first_and_no_signal_to_noise_of_earlier_tokens() -> None:
    early, late = pool_nights(made_up.curves([10])), pool_nights(made_up.curves([14]))
    causal = [TOKEN_FEATURES.index(n) for n in ("log_days_since_first", "asinh_signal_to_noise", "level")]
    before, _ = light_curve_tokens(early, np.array([0]), 16)
    after, _ = light_curve_tokens(late, np.array([0]), 16)
    assert np.abs(before[0, 1:10][:, causal]).min() > 0
    np.testing.assert_array_equal(before[0, :10][:, causal], after[0, :10][:, causal])


def test_features_do_not_depend_on_absolute_time() -> None:
    here = made_up.curves([20])
    there = LightCurves(
        "ztf", here.offsets, here.mjd_tai + 1024.0, here.flux_njy, here.flux_err_njy, here.band, here.kind
    )
    arrays = [
        (light_curve_tokens(pool_nights(c), np.array([0]), 32)[0], light_curve_statistics(pool_nights(c)))
        for c in (here, there)
    ]
    np.testing.assert_allclose(arrays[0][0], arrays[1][0], atol=1e-6)
    np.testing.assert_allclose(arrays[0][1], arrays[1][1], rtol=1e-4, atol=1e-5)


def test_an_alert_gets_the_same_arrays_alone_and_among_others() -> None:
    """What training computes over many and serving over few is one and the same, bit for bit."""
    whole = made_up.curves(EVERY_LENGTH)
    pooled = pool_nights(whole)
    statistics = light_curve_statistics(pooled)
    for i in range(len(whole)):
        alone = pool_nights(whole.take(np.array([i])))
        np.testing.assert_array_equal(light_curve_statistics(alone)[0], statistics[i])
        np.testing.assert_array_equal(
            light_curve_tokens(alone, np.array([0]), 64)[0][0], light_curve_tokens(pooled, np.array([i]), 64)[0][0]
        )
    cutouts = [made_up.triplet(seed=i) for i in range(40)]
    spectra = [made_up.spectrum(i) for i in range(5)]
    for i in (0, 17, 39):
        np.testing.assert_array_equal(cutout_images([cutouts[i]])[0][0], cutout_images(cutouts)[0][i])
    np.testing.assert_array_equal(spectrum_channels(spectra[3:4])[0][0], spectrum_channels(spectra)[0][3])
    batch = made_up.alert_batch(6)
    np.testing.assert_array_equal(metadata_features(batch.take(np.array([4])))[0][0], metadata_features(batch)[0][4])


def test_statistics_say_what_their_names_say() -> None:
    rise_and_fall = [(0.0, 1e4, 50.0), (10.0, 4e4, 50.0), (30.0, 1e4, 50.0)]
    rows = [(day, flux, err, 1, DETECTION) for day, flux, err in rise_and_fall]
    rows += [(day + 0.5, 2 * flux, err, 2, DETECTION) for day, flux, err in rise_and_fall]
    statistics = light_curve_statistics(pool_nights(light_curve(sorted(rows))))[0]

    def value(name: str) -> float:
        return named(statistics, STATISTIC_NAMES, name)

    assert value("g_rise_days") == pytest.approx(10.0)
    assert value("g_fall_days") == pytest.approx(20.0)
    assert value("g_peak_minus_first") == pytest.approx(2.5 * np.log10(4.0), abs=0.02)
    assert value("g_rise_per_day") == pytest.approx(value("g_peak_minus_first") / 10.0)
    assert value("g_minus_r_peak") == pytest.approx(-2.5 * np.log10(2.0), abs=0.02)
    assert value("duration_days") == pytest.approx(30.5)
    assert value("days_since_peak") == pytest.approx(20.0)
    assert value("negative_fraction") == 0.0
    assert value("r_peak_level") == pytest.approx(2.5 * np.log10(80.0), abs=0.02)
    assert np.isnan(value("i_peak_level"))


def test_statistics_of_no_detection_are_all_missing_and_of_one_are_defined_where_they_can_be() -> None:
    statistics = light_curve_statistics(pool_nights(made_up.curves([0, 1])))
    assert np.isnan(statistics[0]).all()
    assert named(statistics[1], STATISTIC_NAMES, "g_rise_days") == 0.0
    assert np.isnan(named(statistics[1], STATISTIC_NAMES, "g_rise_per_day"))


def test_missing_metadata_is_zero_with_mask_zero() -> None:
    batch = made_up.alert_batch(3)
    batch.field("candidate.sgscore1")[1] = np.nan
    values, known = metadata_features(batch)
    place = list(METADATA_FEATURES).index("nearest_star_score")
    assert known[:, place].tolist() == [1.0, 0.0, 1.0]
    assert values[1, place] == 0.0
    assert values[0, place] == pytest.approx((0.02 - 0.5) / 0.4)
    assert np.isfinite(values).all()
    assert not values[known == 0].any()


@pytest.mark.parametrize("survey", ["ztf", "lsst"])
def test_metadata_of_both_surveys_have_the_same_columns(survey: str) -> None:
    values, known = metadata_features(made_up.alert_batch(2, survey))
    assert values.shape == known.shape == (2, len(METADATA_FEATURES))
    assert known[0, list(METADATA_FEATURES).index("log_signal_to_noise")] == 1.0
    _, unknown = metadata_features(made_up.alert_batch(2, survey, metadata=False))
    assert not unknown.any()


@pytest.mark.parametrize("shape", [(63, 63), (30, 30), (65, 65), (1, 63), (63, 20), (31, 33), (1, 1)])
def test_stamps_of_any_size_keep_their_middle_in_the_middle(shape: tuple[int, int]) -> None:
    science = np.full(shape, 3.0, np.float32)
    science[shape[0] // 2, shape[1] // 2] = 1000.0
    images, _, present = cutout_images([CutoutTriplet("ztf", science, None, None)])
    assert images.shape == (1, 4, IMAGE_SIZE, IMAGE_SIZE)
    assert np.isfinite(images).all()
    assert present.tolist() == [True]
    if min(shape) > 1:
        assert np.unravel_index(images[0, 0].argmax(), images[0, 0].shape) == (IMAGE_SIZE // 2, IMAGE_SIZE // 2)
    assert np.count_nonzero(images[0, 3]) == min(shape[0], IMAGE_SIZE) * min(shape[1], IMAGE_SIZE)
    assert images[0, 3].max() == pytest.approx(1 / 3)


def test_bad_pixels_are_masked_and_do_not_move_the_others() -> None:
    clean = made_up.triplet()
    assert clean.science is not None
    spoilt = clean.science.copy()
    spoilt[31, 20:25] = np.nan
    spoilt[33, 20:25] = 3.4e38
    spoilt[35, 20:25] = -np.inf
    images, _, _ = cutout_images([clean, CutoutTriplet("ztf", spoilt, clean.template, clean.difference)])
    assert np.isfinite(images).all()
    assert np.count_nonzero(images[1, 3] < 0.99) == 15
    good = images[1, 3] > 0.99
    np.testing.assert_allclose(images[1, 0][good], images[0, 0][good], atol=0.1)


@pytest.mark.parametrize("value", [0.0, np.nan, 3.4e38])
def test_a_flat_or_unusable_stamp_gives_zeros(value: float) -> None:
    flat = np.full((63, 63), value, np.float32)
    images, _, present = cutout_images([CutoutTriplet("ztf", flat, flat, flat), made_up.no_cutouts()])
    assert not images[:, :3].any()
    assert present.tolist() == [value == 0.0, False]


def test_pixel_scale_tells_the_surveys_apart() -> None:
    _, scale, _ = cutout_images([made_up.triplet("ztf"), made_up.triplet("lsst")])
    np.testing.assert_allclose(scale[:, 0], np.log10([1.01, 0.2]), rtol=1e-6)


def test_the_spec_hash_follows_every_constant(monkeypatch: pytest.MonkeyPatch) -> None:
    before = spec_hash()
    monkeypatch.setattr("classifiers.features.light_curve.NIGHT_DAYS", 0.6)
    assert spec_hash() != before
