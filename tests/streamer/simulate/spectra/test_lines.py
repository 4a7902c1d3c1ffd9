"""What must hold of lines and dust: shapes of the textbook, widths kept, nothing below zero."""

from __future__ import annotations

import numpy as np
import pytest

from streamer.simulate.spectra import galaxies, nuclei, stars, supernovae
from streamer.simulate.spectra.dust import transmission
from streamer.simulate.spectra.follow_up import KINDS
from streamer.simulate.spectra.grid import GRID_AA, LIGHT_KMS, black_body, gaussians, lorentzian
from streamer.simulate.spectra.p_cygni import REACH, profile


def test_an_equivalent_width_is_the_area_of_the_line() -> None:
    for line in (gaussians(GRID_AA, [(6_000.0, 20.0, 5_000.0)]), lorentzian(GRID_AA, 6_000.0, 20.0, 800.0)):
        assert np.trapezoid(line, GRID_AA) == pytest.approx(20.0, rel=0.03)


def test_a_p_cygni_profile_absorbs_to_the_blue_and_emits_about_the_line() -> None:
    velocity = 10_000.0
    shape = profile(GRID_AA, 6_000.0, 3.0, velocity, 0.25)
    trough = GRID_AA[shape.argmin()]
    assert (6_000.0 / trough - 1.0) * LIGHT_KMS == pytest.approx(velocity, rel=0.15)
    assert 0.2 < shape.min() < 0.7
    assert shape.max() > 1.05
    assert abs(GRID_AA[shape.argmax()] / 6_000.0 - 1.0) * LIGHT_KMS < 0.3 * velocity
    far = np.abs(GRID_AA / 6_000.0 - 1.0) > 1.2 * REACH * velocity / LIGHT_KMS
    assert np.allclose(shape[far], 1.0)


def test_pure_scattering_keeps_the_light_but_for_what_the_photosphere_takes_back() -> None:
    net = np.trapezoid(profile(GRID_AA, 6_000.0, 1.0, 8_000.0, 0.25) - 1.0, GRID_AA)
    absorbed = np.trapezoid(np.minimum(profile(GRID_AA, 6_000.0, 1.0, 8_000.0, 0.25) - 1.0, 0.0), GRID_AA)
    assert absorbed < net < 0.0


def test_deeper_lines_are_deeper_and_no_depth_is_no_line() -> None:
    depths = [profile(GRID_AA, 6_000.0, depth, 10_000.0, 0.25).min() for depth in (0.0, 0.01, 0.1, 1.0, 10.0)]
    assert depths == sorted(depths, reverse=True)
    assert depths[0] == 1.0


def test_dust_reddens_as_the_law_says() -> None:
    taken = -2.5 * np.log10(transmission(np.array([4_400.0, 5_495.0, 12_500.0]), 1.0))
    assert taken[1] == pytest.approx(3.1, abs=0.03)
    assert taken[0] - taken[1] == pytest.approx(1.0, abs=0.04)
    assert taken[2] / taken[1] == pytest.approx(0.282, abs=0.01)
    assert (transmission(GRID_AA, 0.0) == 1.0).all()
    assert (np.diff(transmission(GRID_AA, 0.3)) >= 0.0).all()


def test_a_black_body_peaks_where_wien_says() -> None:
    assert GRID_AA[black_body(GRID_AA, 6_000.0).argmax()] == pytest.approx(2.898e7 / 6_000.0, rel=0.01)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("days", [-20.0, 0.0, 15.0, 60.0, 300.0])
def test_every_type_shines_at_every_time(kind: str, days: float) -> None:
    flux = KINDS[kind].make(np.random.default_rng(1), days, {}).spectrum(GRID_AA)
    assert np.isfinite(flux).all()
    assert (flux > 0.0).all()


def depth_at(flux: np.ndarray, low: float, centre: float, high: float) -> float:
    """How far the flux near the centre lies below the straight line between two places, as a share of it."""
    level = np.interp(centre, [low, high], np.interp([low, high], GRID_AA, flux))
    return float(1.0 - np.interp(centre, GRID_AA, flux) / level)


def test_types_show_the_lines_that_name_them() -> None:
    rng = np.random.default_rng(2)
    ia = supernovae.sn_ia(rng, 0.0, {"stretch": 1.0}).spectrum(GRID_AA)
    ic = supernovae.sn_ic(rng, 5.0, {}).spectrum(GRID_AA)
    ib = supernovae.sn_ib(rng, 15.0, {}).spectrum(GRID_AA)
    ii = supernovae.sn_ii(rng, 50.0, {}).spectrum(GRID_AA)
    assert depth_at(ia, 5_900.0, 6_120.0, 6_450.0) > 0.15
    assert depth_at(ib, 5_500.0, 5_690.0, 6_000.0) > depth_at(ia, 5_500.0, 5_690.0, 6_000.0) + 0.1
    assert depth_at(ic, 7_200.0, 7_480.0, 7_900.0) > 0.1
    assert depth_at(ii, 6_200.0, 6_563.0, 6_900.0) < -0.4


def test_silicon_slows_and_fast_decliners_have_more_of_the_cool_line() -> None:
    def atmosphere(days: float, stretch: float) -> supernovae.Atmosphere:
        return supernovae.sn_ia(np.random.default_rng(3), days, {"stretch": stretch})

    assert atmosphere(-8.0, 1.0).velocity_kms > atmosphere(0.0, 1.0).velocity_kms > atmosphere(12.0, 1.0).velocity_kms
    assert atmosphere(0.0, 0.75).depth["Si II 5972"] > 2.0 * atmosphere(0.0, 1.0).depth["Si II 5972"]
    assert atmosphere(-5.0, 1.2).depth["Si II"] < 0.5 * atmosphere(-5.0, 1.0).depth["Si II"]


def test_a_superluminous_supernova_cools_from_oxygen_to_iron() -> None:
    hot, cool = (supernovae.slsn_i(np.random.default_rng(4), days, {}) for days in (10.0, 150.0))
    assert hot.depth["O II"] > 0.5 > cool.depth["O II"]
    assert hot.depth["Fe II"] < cool.depth["Fe II"]


def test_a_dwarf_nova_emits_in_quiet_and_absorbs_in_outburst() -> None:
    quiet, bright = (
        stars.cataclysmic(np.random.default_rng(5), 0.0, {"outburst": level}).spectrum(GRID_AA) for level in (0.0, 1.0)
    )
    assert depth_at(quiet, 4_650.0, 4_861.0, 5_100.0) < -0.15
    assert depth_at(bright, 4_650.0, 4_861.0, 5_100.0) > 0.0


def test_old_galaxies_have_a_break_and_young_ones_have_lines() -> None:
    old, young = galaxies.early(GRID_AA, 0.0), galaxies.late(np.random.default_rng(6), GRID_AA, False)

    def step(flux: np.ndarray) -> float:
        return float(np.interp(4_050.0, GRID_AA, flux) / np.interp(3_800.0, GRID_AA, flux))

    assert step(old) > 1.3 * step(young)
    assert depth_at(young, 6_450.0, 6_563.0, 6_650.0) < -0.5


def test_quasars_have_their_lines_at_their_widths() -> None:
    flux = nuclei.agn(np.random.default_rng(7), 0.0, {}).spectrum(GRID_AA)
    assert depth_at(flux, 6_100.0, 6_563.0, 7_000.0) < -0.3
