"""What a Rubin packet says follows from what is there."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamer.simulate.lsst.identity import designation, identify
from streamer.simulate.lsst.packets import LsstPackets
from streamer.simulate.lsst.source import Detections, measure
from streamer.simulate.observing.cadence import Pointing, start_mjd
from streamer.simulate.scene import Field, draw_field
from streamer.simulate.sky.mixture import Dealer
from streamer.simulate.sky.objects import BAD_COLUMN, COSMIC_RAY, SOURCE

Columns = dict[str, npt.NDArray[Any]]

FIT_PIXELS = 41**2


@pytest.fixture(scope="module")
def field() -> Field:
    pointing = Pointing(3, int(start_mjd(5)), 1, (200, 260))
    return draw_field("lsst", 5, pointing, 900, Dealer("rich", ()))


@pytest.fixture(scope="module")
def detections(field: Field) -> Detections:
    return measure(field)[1]


@pytest.fixture(scope="module")
def columns(detections: Detections) -> Columns:
    return detections.columns


@pytest.fixture(scope="module")
def star_snr(columns: Columns) -> npt.NDArray[np.float64]:
    return np.asarray(columns["templateFlux"] / columns["psfFluxErr"])


def test_dipoles_are_fitted_to_bright_stars_that_change_little(columns: Columns, star_snr: npt.NDArray[Any]) -> None:
    dipole = columns["isDipole"]
    assert dipole.sum() > 20
    assert star_snr[dipole].min() > 10.0
    change = np.abs(columns["psfFlux"]) / columns["psfFluxErr"]
    on_star = star_snr > 200.0
    assert np.mean(dipole[on_star & (change < 8.0)]) > 2.0 * np.mean(dipole[on_star & (change > 40.0)])


def test_a_dipoles_fit_is_there_where_there_is_a_dipole_and_nowhere_else(columns: Columns) -> None:
    dipole = columns["isDipole"]
    for name in ("dipoleMeanFlux", "dipoleLength", "dipoleAngle", "dipoleChi2", "dipoleFluxDiff"):
        assert np.array_equal(np.isfinite(columns[name]), dipole)
    assert np.array_equal(columns["dipoleNdata"] > 0, dipole)
    assert np.array_equal(columns["dipoleFitAttempted"], dipole)
    mean = columns["dipoleMeanFlux"][dipole] / columns["templateFlux"][dipole]
    assert np.median(mean) == pytest.approx(0.985, abs=0.03)


def test_moments_trail_and_extendedness_are_null_together_where_the_shape_failed(columns: Columns) -> None:
    failed = columns["shape_flag"]
    assert 0.01 < failed.mean() < 0.4
    for name in ("ixx", "iyy", "ixy", "extendedness", "trailFlux", "trailLength", "trailAngle", "trailRa", "trailDec"):
        assert np.array_equal(np.isnan(columns[name]), failed)


def test_bright_points_have_the_point_spread_functions_moments(field: Field, detections: Detections) -> None:
    columns = detections.columns
    clean = (field.objects.artefact[detections.k] == SOURCE) & ~field.objects.moving[detections.k]
    bright = clean & (columns["snr"] > 50.0) & ~columns["shape_flag"]
    ratio = (columns["ixx"] + columns["iyy"])[bright] / (columns["ixxPSF"] + columns["iyyPSF"])[bright]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    sigma = field.exposures.seeing_arcsec[detections.exposure] / 2.355
    assert np.median(columns["ixxPSF"] / sigma**2) == pytest.approx(1.0, abs=0.05)


def test_the_fits_square_is_cut_near_the_detectors_edge_and_flagged_there(columns: Columns) -> None:
    cut = columns["psfNdata"] < FIT_PIXELS
    assert np.array_equal(cut, columns["psfFlux_flag_edge"])
    assert np.array_equal(cut, columns["psfFlux_flag"])
    inside = (columns["x"] > 23.0) & (columns["x"] < 4048.0) & (columns["y"] > 23.0) & (columns["y"] < 3976.0)
    assert not cut[inside].any()
    assert columns["psfNdata"].min() > 0
    assert cut.mean() < 0.05


def test_hits_and_bad_columns_are_flagged_and_interpolated(field: Field) -> None:
    hit = field.take(np.arange(len(field.objects)))
    hit.objects.artefact[:40:2], hit.objects.artefact[1:40:2] = COSMIC_RAY, BAD_COLUMN
    detections = measure(hit)[1]
    columns = detections.columns
    artefact = hit.objects.artefact[detections.k]
    assert columns["pixelFlags_crCenter"][artefact == COSMIC_RAY].all()
    assert columns["pixelFlags_bad"][artefact == BAD_COLUMN].all()
    marked = columns["pixelFlags_cr"] | columns["pixelFlags_bad"] | columns["pixelFlags_saturated"]
    assert np.array_equal(columns["pixelFlags_interpolated"], marked)
    assert marked[artefact == SOURCE].mean() < 0.03
    assert not any(columns[name].any() for name in columns if "injected" in name)


def test_what_the_template_shows_is_in_the_science_image_too(field: Field, detections: Detections) -> None:
    columns = detections.columns
    more = (columns["scienceFlux"] - columns["templateFlux"] - columns["psfFlux"]) / columns["psfFluxErr"]
    faint = np.abs(columns["psfFlux"]) < 20.0 * columns["psfFluxErr"]
    assert np.abs(more[faint]).max() < 3.0
    host = field.objects.host_njy[detections.k].max(axis=1) > 0.0
    moving = field.objects.moving[detections.k]
    in_template = columns["templateFlux"] / columns["templateFluxErr"]
    assert np.median(in_template[host]) > 5.0 * max(np.median(in_template[moving]), 1.0)


def test_centroids_scatter_by_their_errors_along_the_detectors_axes(field: Field, detections: Detections) -> None:
    columns = detections.columns
    for axis, true in zip("xy", detections.true_pixel, strict=True):
        pulls = (columns[axis] - true) / columns[f"{axis}Err"]
        assert np.std(pulls) == pytest.approx(1.0, abs=0.1)
    # On the sky they are off by as much as on the detector, the way the camera is held.
    ra, dec = field.position_deg(detections.k, detections.exposure)
    east = (columns["ra"] - ra) * np.cos(np.radians(dec)) * 3600.0
    north = (columns["dec"] - dec) * 3600.0
    off = np.hypot(columns["x"] - detections.true_pixel[0], columns["y"] - detections.true_pixel[1]) * 0.2
    assert np.allclose(np.hypot(east, north), off, atol=1e-5)
    turn = np.radians(field.exposures.rotation_deg[detections.exposure])
    up = columns["y"] - detections.true_pixel[1]
    assert np.allclose((east * np.sin(turn) + north * np.cos(turn)) / 0.2, up, atol=1e-4)


def test_reliability_falls_with_the_light_a_source_sits_on(columns: Columns, star_snr: npt.NDArray[Any]) -> None:
    sure = (columns["snr"] > 10.0) & (columns["snr"] < 40.0)
    empty, star = columns["reliability"][sure & (star_snr < 3.0)], columns["reliability"][sure & (star_snr > 100.0)]
    assert np.median(empty) > 0.98
    assert 0.2 < np.median(star) < 0.9
    assert columns["snr"].min() >= 5.0


@pytest.mark.parametrize("others", [(0, 1), (0, 63), (1, 64), (63, 1999)])
def test_two_fields_on_the_same_visits_share_no_id(field: Field, others: tuple[int, int]) -> None:
    k, exposure = (part.astype(np.int64) for part in np.nonzero(field.covered))
    ids = []
    for index in others:
        same = dataclasses.replace(field, index=index)
        ids.append(identify(field.generator(4), same).ids(k, exposure))
        assert len(np.unique(ids[-1])) == len(k)
        assert ids[-1].min() > 0
    assert not set(ids[0].tolist()) & set(ids[1].tolist())


def test_every_exposure_is_a_visit_of_its_own(field: Field) -> None:
    visits = identify(field.generator(4), field).visit
    assert len(np.unique(visits)) == len(field.exposures)
    assert np.array_equal(np.argsort(visits), np.arange(len(visits)))


def test_ids_hold_day_visit_detector_and_counter_in_rubins_bits(field: Field, detections: Detections) -> None:
    """19 bits of counter, 8 of detector, 15 of the visit's number, 15 of the day since 2010."""
    first = dataclasses.replace(field, index=0)
    identity = identify(field.generator(4), first)
    ids = identity.ids(detections.k, detections.exposure)
    visit = identity.visit[detections.exposure]
    assert np.array_equal(ids >> 19 & 0xFF, identity.detector(detections.k, detections.exposure))
    assert np.array_equal(ids >> 27 & 0x7FFF, visit % 100_000)
    days = np.datetime64("2010-01-01") + (ids >> 42 & 0x7FFF).astype("timedelta64[D]")
    assert [str(day).replace("-", "") for day in days] == (visit // 100_000).astype(str).tolist()
    assert set((ids >> 57).tolist()) == {1}


def test_no_two_asteroids_of_a_simulation_share_a_designation() -> None:
    names = {designation(index, number) for index in range(0, 2_000, 7) for number in range(0, 8_192, 61)}
    count = len(range(0, 2_000, 7)) * len(range(0, 8_192, 61))
    assert len({packed for packed, _ in names}) == len({readable for _, readable in names}) == count
    assert {len(packed) for packed, _ in names} == {7}


def test_a_field_without_asteroids_or_without_anything_else_makes_packets(field: Field) -> None:
    for chosen in (field.objects.moving, ~field.objects.moving):
        part = field.take(chosen)
        assert sum(1 for _ in LsstPackets(part).packets()) == int(part.sent().sum())
