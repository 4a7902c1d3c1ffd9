"""A packet's metadata follow from the scene."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.simulate.night import NightPlan, _pointings
from streamer.simulate.scene import Field, draw_field
from streamer.simulate.sky.mixture import Dealer
from streamer.simulate.sky.objects import BAD_SUBTRACTION, SOURCE
from streamer.simulate.ztf.candidate import Candidates
from streamer.simulate.ztf.catalogue import MISSING, SCALE_ARCSEC
from streamer.simulate.ztf.quality import Look, quality_columns


@pytest.fixture(scope="module")
def field() -> Field:
    """A field of every class, over ten nights."""
    plan = NightPlan("ztf", 400, 5, nights=10, mixture="rich")
    return draw_field("ztf", 5, _pointings(plan, 0, 40)[0], 400, Dealer("rich"))


@pytest.fixture(scope="module")
def drawn(field: Field) -> Candidates:
    return Candidates(field, "4.02")


def _column(drawn: Candidates, name: str) -> np.ndarray:
    return np.asarray((drawn.row_columns | drawn.alert_columns)[name])


def _look(n: int, snr: float, ratio: float, artefact: int = SOURCE) -> Look:
    return Look(np.full(n, snr), np.full(n, ratio), np.full(n, 2.6), np.full(n, artefact))


def _median(name: str, look: Look) -> float:
    column = quality_columns(np.random.default_rng(1), look, has_deep=True)[name]
    return float(np.median(np.asarray(column)))


def test_scores_fall_over_bright_stars_and_artefacts_and_rise_with_the_signal() -> None:
    n = 4000
    for score in ("rb", "drb"):
        plain = _median(score, _look(n, 20.0, 0.0))
        assert plain > _median(score, _look(n, 20.0, 80.0)) > _median(score, _look(n, 20.0, 80.0, BAD_SUBTRACTION))
        assert plain > _median(score, _look(n, 6.0, 0.0))


def test_bright_detections_fit_worse_and_look_rounder() -> None:
    assert _median("chipsf", _look(2000, 60.0, 0.0)) > 4.0 * _median("chipsf", _look(2000, 7.0, 0.0))
    assert _median("elong", _look(2000, 60.0, 0.0)) < _median("elong", _look(2000, 6.0, 0.0))
    assert _median("nneg", _look(2000, 60.0, 0.0)) < _median("nneg", _look(2000, 6.0, 0.0))


def test_residuals_of_stars_are_narrow_and_hold_negative_pixels() -> None:
    star, plain = _look(3000, 20.0, 60.0), _look(3000, 20.0, 0.0)
    columns = quality_columns(np.random.default_rng(2), star, has_deep=True)
    assert np.mean(np.asarray(columns["seeratio"]) == 2.0) > 0.4
    assert np.asarray(columns["seeratio"]).max() == 2.0
    plain_columns = quality_columns(np.random.default_rng(2), plain, has_deep=True)
    assert np.mean(np.asarray(plain_columns["seeratio"]) == 2.0) < 0.15
    assert np.mean(np.asarray(columns["sumrat"]) < 0.9) > np.mean(np.asarray(plain_columns["sumrat"]) < 0.9)


def test_shapes_agree_with_one_another(drawn: Candidates) -> None:
    fwhm, ratio = _column(drawn, "fwhm"), _column(drawn, "seeratio")
    width = drawn.chips.width_px[drawn.exposure, drawn.cell]
    assert fwhm * ratio == pytest.approx(width, rel=1e-9)
    assert _column(drawn, "aimagerat") * fwhm == pytest.approx(_column(drawn, "aimage"))
    assert _column(drawn, "elong") == pytest.approx(_column(drawn, "aimage") / _column(drawn, "bimage"))
    assert _column(drawn, "elong").min() >= 1.0


def test_a_host_is_the_reference_source_at_its_distance(field: Field, drawn: Candidates) -> None:
    o = field.objects
    host = np.hypot(*o.host_offset_arcsec.T)
    bright = o.host_njy[:, 2] > 5e4
    alone = bright & (o.counterpart_njy[:, 2] == 0.0) & (o.neighbour_radius_arcsec.shape[1] > 0)
    alone &= np.hypot(*np.moveaxis(o.neighbour_offset_arcsec, 2, 0)).min(axis=1) > host + 2.0
    rows = np.flatnonzero(alone[drawn.k] & (host[drawn.k] < 6.0))
    assert len(rows) > 50
    distance = _column(drawn, "distnr")[rows] * SCALE_ARCSEC
    assert np.median(np.abs(distance - host[drawn.k[rows]])) < 0.25
    pan_starrs = _column(drawn, "distpsnr1")[rows]
    near = np.abs(pan_starrs - host[drawn.k[rows]]) < 1.0
    assert near.mean() > 0.8
    assert np.median(_column(drawn, "sgscore1")[rows][near]) < 0.3


def test_distances_are_those_between_the_given_places(drawn: Candidates) -> None:
    ra, dec = _column(drawn, "ra"), _column(drawn, "dec")
    east = ((_column(drawn, "ranr") - ra + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec))
    away = np.hypot(east, _column(drawn, "decnr") - dec) * 3600.0
    assert away == pytest.approx(_column(drawn, "distnr") * SCALE_ARCSEC, abs=2e-3)


def test_variable_stars_are_their_own_nearest_star(field: Field, drawn: Candidates) -> None:
    o = field.objects
    star = (o.counterpart_njy[:, 2] > 3e5) & (o.host_radius_arcsec == 0.0) & (o.artefact == SOURCE)
    rows = np.flatnonzero(star[drawn.k])
    assert len(rows) > 50
    assert np.median(_column(drawn, "sgscore1")[rows]) > 0.9
    for name in ("distpsnr1", "neargaia", "distnr"):
        assert np.median(_column(drawn, name)[rows]) < 0.6
    expected = 31.4 - 2.5 * np.log10(o.counterpart_njy[drawn.k[rows], field.exposures.band[drawn.exposure[rows]]])
    assert np.median(np.abs(_column(drawn, "magnr")[rows] - expected)) < 0.1


def test_pan_starrs_sources_come_nearest_first_and_are_all_counted(drawn: Candidates) -> None:
    distances = np.column_stack([_column(drawn, f"distpsnr{i}") for i in (1, 2, 3)])
    listed = distances != MISSING
    assert np.all(np.diff(np.where(listed, distances, 1e9), axis=1) >= 0.0)
    assert distances[listed].max() < 32.0
    assert np.all(_column(drawn, "nmtchps") >= listed.sum(axis=1))
    assert np.all((_column(drawn, "sgscore1") == MISSING) == ~listed[:, 0])


def test_counts_of_detections_are_those_above_three_and_a_half_sigma(field: Field, drawn: Candidates) -> None:
    count = _column(drawn, "ndethist")
    for d in range(0, len(drawn.k), 37):
        k, exposure = drawn.k[d], drawn.exposure[d]
        if field.objects.moving[k]:
            assert count[d] == 1
            continue
        seen = slice(None, exposure + 1)
        found = field.covered[k, seen] & (np.abs(field.flux_njy[k, seen]) >= 3.5 * field.error_njy[k, seen])
        assert count[d] == np.sum(found | field.detected[k, seen]) + field.objects.detected_before[k]
        assert _column(drawn, "jdstarthist")[d] <= _column(drawn, "jd")[d]


def test_objects_of_one_image_share_what_is_the_images(drawn: Candidates) -> None:
    shared = {}
    names = ("pid", "magzpsci", "diffmaglim", "nmatches", "clrcoeff", "rfid", "jdstartref", "zpmed")
    columns = [_column(drawn, name) for name in names]
    for d in range(len(drawn.k)):
        image = (int(drawn.exposure[d]), int(drawn.cell[d]))
        values = tuple(column[d] for column in columns)
        assert shared.setdefault(image, values) == values
    assert len(shared) < len(drawn.k)


def test_clouds_take_from_the_zero_point_what_they_take_from_the_light(field: Field, drawn: Candidates) -> None:
    loss = field.exposures.cloud_mag
    drop = drawn.chips.zero_point.max() - np.median(drawn.chips.zero_point, axis=1)
    for band in np.unique(field.exposures.band):
        same = field.exposures.band == band
        if same.sum() > 5 and np.ptp(loss[same]) > 0.2:
            assert np.corrcoef(loss[same], drop[same])[0, 1] > 0.8


def test_no_alert_is_less_sure_than_five_sigma_and_errors_grow_with_faintness(drawn: Candidates) -> None:
    sigma, depth = _column(drawn, "sigmapsf"), _column(drawn, "diffmaglim") - _column(drawn, "magpsf")
    assert sigma.max() <= 1.0857 / 5.0
    assert np.median(sigma[depth > 2.0]) < np.median(sigma[depth < 0.7])


def test_candids_are_unique_and_hold_their_image(drawn: Candidates) -> None:
    assert len(np.unique(drawn.candid)) == len(drawn.candid)
    assert drawn.candid.max() < 2**63 - 1
    assert np.array_equal(drawn.candid // 10**6, drawn.chips.pid[drawn.exposure, drawn.cell])
