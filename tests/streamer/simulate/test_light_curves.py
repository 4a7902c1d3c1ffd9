from __future__ import annotations

import numpy as np
import pytest

from streamer.simulate.sky import light_curves as lc

DAYS = np.linspace(-100.0, 300.0, 4001)[None, :]


def _one(value: float) -> np.ndarray:
    return np.array([[value]])


def test_bazin_peaks_at_zero_days_with_one() -> None:
    curve = lc.bazin(DAYS, _one(3.6), _one(23.0))[0]
    assert curve.max() == pytest.approx(1.0, abs=1e-6)
    assert DAYS[0, curve.argmax()] == pytest.approx(0.0, abs=0.11)
    late = curve[DAYS[0] > 100.0]
    assert np.diff(np.log(late)) == pytest.approx(-0.1 / 23.0, rel=1e-3)


def test_plateau_is_dark_before_explosion_declines_slowly_and_then_drops_to_cobalts_tail() -> None:
    curve = lc.plateau(DAYS, _one(2.0), _one(90.0), _one(0.01), _one(5.0), _one(1.5))[0]
    assert np.all(curve[DAYS[0] < 0.0] == 0.0)
    magnitude = -2.5 * np.log10(np.interp([30.0, 60.0, 90.0, 150.0, 250.0], DAYS[0], curve))
    assert magnitude[1] - magnitude[0] == pytest.approx(0.3, abs=0.02)
    assert magnitude[2] - magnitude[0] == pytest.approx(0.6 + 0.75, abs=0.02)
    assert magnitude[3] - magnitude[0] == pytest.approx(0.6 + 1.5 + 0.0098 * 60.0, abs=0.02)
    assert magnitude[4] - magnitude[3] == pytest.approx(0.98, abs=0.01)


def test_metal_lines_take_the_ultraviolet_and_leave_the_red() -> None:
    left = lc.blanketing(np.array([3_000.0, 3_900.0, 6_000.0]), 0.8)
    assert left == pytest.approx([0.2, 0.6, 1.0], abs=0.01)


def test_dust_follows_cardelli_in_the_optical() -> None:
    # A / E(B-V) of Cardelli, Clayton & Mathis 1989, equations 2 and 3, worked out by hand for R_V = 3.1.
    known = {4_300.0: 4.22, 4_900.0: 3.57, 5_500.0: 3.10, 6_400.0: 2.61, 7_600.0: 2.04, 9_100.0: 1.46}
    assert lc.reddening_law(np.array(list(known))) == pytest.approx(list(known.values()), abs=0.2)


def test_a_contact_binary_has_two_minima_an_orbit_the_second_shallower() -> None:
    phase = np.linspace(0.0, 1.0, 401)
    magnitude = lc.contact_binary(phase, np.array(0.6), np.array(0.2))
    assert magnitude[[0, 100, 200, 300]] == pytest.approx([0.6, 0.0, 0.48, 0.0], abs=1e-9)


def test_a_detached_binary_is_quiet_between_its_eclipses() -> None:
    magnitude = lc.detached_binary(np.array([0.0, 0.25, 0.5, 0.75, 0.99]), np.array(1.2), np.array(0.3), np.array(0.02))
    assert magnitude[:4] == pytest.approx([1.2, 0.0, 0.3, 0.0], abs=1e-6)
    assert magnitude[4] == pytest.approx(1.2 * np.exp(-0.125))


def test_a_flare_rises_fast_and_is_one_half_wide_at_half_its_peak() -> None:
    t = np.linspace(-1.5, 8.0, 9501)
    curve = lc.flare(t)
    assert curve.max() == pytest.approx(1.0, abs=0.01)
    assert np.all(curve[t < -1.0] == 0.0)
    assert np.all(curve >= 0.0)
    above = t[curve > 0.5]
    assert above[-1] - above[0] == pytest.approx(1.0, abs=0.1)
    assert curve[-1] == pytest.approx(0.303 * np.exp(-0.2783 * 8.0), rel=1e-3)


def test_magnetar_agrees_with_the_integral() -> None:
    spin_down, diffusion, day = 15.0, 35.0, 60.0
    fine = np.linspace(0.0, 400.0, 40_001)

    def luminosity(t: float) -> float:
        x = fine[fine <= t]
        power = (
            2.0 * x / diffusion**2 / (1.0 + x / spin_down) ** 2 * np.exp((x / diffusion) ** 2 - (t / diffusion) ** 2)
        )
        return float(np.trapezoid(power, x))

    peak = max(luminosity(t) for t in np.arange(5.0, 80.0, 0.5))
    curve = lc.magnetar(np.array([[-5.0, day]]), _one(spin_down), _one(diffusion))[0]
    assert curve[0] == 0.0
    assert curve[1] == pytest.approx(luminosity(day) / peak, rel=0.01)


def test_tidal_disruption_declines_as_minus_five_thirds() -> None:
    curve = lc.tidal_disruption(np.array([[-20.0, 0.0, 60.0]]), _one(10.0), _one(60.0))[0]
    assert curve == pytest.approx([np.exp(-2.0), 1.0, 2.0 ** (-5.0 / 3.0)])


def test_damped_random_walk_has_its_scatter_and_forgets_at_its_damping_time() -> None:
    mjd = np.arange(0.0, 400.0, 2.0)
    walk = lc.damped_random_walk(np.random.default_rng(1), mjd, np.full((3000, 1), 0.2), np.full((3000, 1), 50.0))
    assert walk.std(axis=0) == pytest.approx(0.2, rel=0.06)
    assert np.mean(walk[:, 0] * walk[:, 25]) / 0.04 == pytest.approx(np.exp(-1.0), abs=0.06)


def test_a_dwarf_nova_rises_fades_a_little_on_its_top_and_falls_linearly() -> None:
    days = np.array([[-2.0, -0.5, 0.0, 4.0, 9.0, 14.0, 20.0]])
    flat = lc.dwarf_nova(days, _one(4.0), _one(10.0), _one(0.0))[0]
    assert flat == pytest.approx([0.0, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0])
    fading = lc.dwarf_nova(days, _one(4.0), _one(10.0), _one(0.2))[0]
    assert fading == pytest.approx([0.0, 0.5, 1.0, 0.8, 0.3, 0.0, 0.0])


def test_rr_lyrae_rises_faster_than_it_falls_by_about_one_magnitude() -> None:
    magnitude = lc.rr_lyrae(np.linspace(0.0, 1.0, 1001))
    assert 0.8 < np.ptp(magnitude) < 1.3
    assert magnitude[:-1].mean() == pytest.approx(0.0, abs=1e-3)
    brightest, faintest = magnitude.argmin(), magnitude.argmax()
    rise = (brightest - faintest) % 1000
    assert rise < 300


def test_an_asteroid_at_unit_distances_and_zero_phase_has_its_absolute_magnitude() -> None:
    assert lc.asteroid_magnitude(_one(17.0), _one(1.0), _one(1.0), _one(0.0))[0, 0] == pytest.approx(17.0)
    # Between 5 and 20 degrees the H, G system with G = 0.15 dims by 0.51 mag.
    near, far = (lc.asteroid_magnitude(_one(17.0), _one(2.0), _one(1.0), _one(phase)) for phase in (5.0, 20.0))
    assert (far - near)[0, 0] == pytest.approx(0.55, abs=0.1)


def test_hot_bodies_are_blue() -> None:
    blue, red = np.array([[4800.0]]), np.array([[7500.0]])
    hot = lc.black_body(blue, _one(30_000.0)) / lc.black_body(red, _one(30_000.0))
    cool = lc.black_body(blue, _one(5_000.0)) / lc.black_body(red, _one(5_000.0))
    assert hot[0, 0] > 1.5
    assert cool[0, 0] < 0.8
