"""Galaxies and stars as sums of Gaussians, against the formulae integrated by numbers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from streamer.simulate.images.profiles import DISC, MOFFAT_3, MOFFAT_5, SPHEROID, Mixture
from streamer.simulate.images.psf import Sources, draw, moffat, psf_images
from streamer.simulate.images.scenery import sersic_sources

Array = npt.NDArray[np.float64]


def _sersic_light(index: float, radius: Array) -> Array:
    """Light within radii, in half-light radii: the integral of exp(-b r^(1/n)) r dr, with b such that 1 holds half."""
    grid = np.concatenate([[0.0], np.geomspace(1e-6, 400.0, 40_000)])

    def within(b: float) -> Array:
        rate = np.exp(-b * grid ** (1.0 / index)) * grid
        total = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(grid))])
        light: Array = total / total[-1]
        return light

    low, high = 0.1, 20.0
    while high - low > 1e-6:
        b = 0.5 * (low + high)
        low, high = (low, b) if np.interp(1.0, grid, within(b)) > 0.5 else (b, high)
    light: Array = np.interp(radius, grid, within(low))
    return light


def _mixture_light(mixture: Mixture, radius: Array) -> Array:
    light: Array = (mixture.weight * (1.0 - np.exp(-0.5 * (radius[:, None] / mixture.width) ** 2))).sum(axis=1)
    return light


@pytest.mark.parametrize(("index", "mixture", "tolerance"), [(1.0, DISC, 0.005), (4.0, SPHEROID, 0.06)])
def test_a_galaxy_holds_the_light_of_its_sersic_profile_within_each_radius(
    index: float, mixture: Mixture, tolerance: float
) -> None:
    radius = np.array([0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0])
    assert np.abs(_mixture_light(mixture, radius) - _sersic_light(index, radius)).max() < tolerance
    assert mixture.weight.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("beta", "mixture"), [(3.2, MOFFAT_3), (4.8, MOFFAT_5)])
def test_a_star_has_the_wings_of_its_moffat_profile(beta: float, mixture: Mixture) -> None:
    radius = np.linspace(0.0, 2.0, 21)
    core = 0.5 / np.sqrt(2.0 ** (1.0 / beta) - 1.0)
    wanted = (beta - 1.0) / (np.pi * core**2) * (1.0 + (radius / core) ** 2) ** -beta
    variance = mixture.width**2
    got = (mixture.weight / (2.0 * np.pi * variance) * np.exp(-0.5 * radius[:, None] ** 2 / variance)).sum(axis=1)
    assert np.abs(got / wanted - 1.0).max() < 0.06


def test_an_inclined_disc_in_the_seeing_is_the_convolution_of_the_two() -> None:
    """Against an elliptical exponential profile on a grid five times finer, blurred by Fourier transforms."""
    side, fine, radius, ratio, angle = 63, 5, 6.0, 0.35, 0.6
    psf = moffat(MOFFAT_3, np.array([2.4]), np.array([0.0]), np.array([0.0]))
    major = radius * np.array([[np.cos(angle), np.sin(angle)]])
    row, place = np.array([0]), np.array([[1.3, -0.7]])
    drawn = draw(psf, sersic_sources(DISC, row, place, np.array([1000.0]), major, np.array([ratio])), side)[0]
    n = side * fine
    y, x = (np.indices((n, n)) - (n - 1) / 2.0) / fine
    x, y = x - 1.3, y + 0.7
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    disc = np.exp(-1.67835 * np.hypot(along, across / ratio) / radius)
    finer = moffat(MOFFAT_3, np.array([2.4 * fine]), np.array([0.0]), np.array([0.0]))
    blur = np.fft.fft2(np.fft.ifftshift(psf_images(finer, n)[0]))
    blurred = np.fft.ifft2(np.fft.fft2(disc) * blur).real
    wanted = 1000.0 * blurred / blurred.sum() * fine**2
    middle = wanted[fine // 2 :: fine, fine // 2 :: fine]
    assert np.abs(drawn - middle).max() < 0.03 * middle.max()
    assert drawn.sum() == pytest.approx(middle.sum(), rel=0.01)


def test_an_elongated_function_has_the_axes_that_were_asked_for() -> None:
    angle = np.array([0.0, 0.7, 2.0])
    psf = moffat(MOFFAT_5, np.full(3, 5.0), np.full(3, 0.2), angle)
    images = psf_images(psf, 61)
    y, x = np.indices((61, 61)) - 30.0
    core = (np.hypot(x, y) < 12.0) * images
    xx, yy, xy = ((core * moment).sum(axis=(1, 2)) for moment in (x * x, y * y, x * y))
    assert np.allclose(0.5 * np.arctan2(2.0 * xy, xx - yy) % np.pi, angle, atol=0.02)
    assert np.all(np.hypot(xx - yy, 2.0 * xy) / (xx + yy) > 0.1)


def test_the_noise_area_is_that_of_the_image() -> None:
    psf = moffat(MOFFAT_3, np.array([2.2, 5.0]), np.array([0.1, 0.3]), np.array([0.4, 1.0]))
    assert np.allclose(psf.noise_area_px(), 1.0 / (psf_images(psf, 121) ** 2).sum(axis=(1, 2)), rtol=0.01)


def test_stamps_with_more_and_fewer_sources_are_drawn_alike() -> None:
    """Stamps are padded to one another's number of sources: none may leave a trace."""
    rng = np.random.default_rng(1)
    psf = moffat(MOFFAT_3, np.full(9, 2.2), np.full(9, 0.1), np.full(9, 0.4))
    row = np.repeat(np.arange(9), [0, 3, 1, 7, 0, 2, 30, 1, 5])
    flux = rng.uniform(1.0, 5.0, len(row))
    places = rng.uniform(-20.0, 20.0, (2, len(row)))
    sources = Sources(row, places[0], places[1], flux, rng.uniform(0.0, 2.0, len(row)))
    together = draw(psf, sources, 63)
    for i in range(9):
        one = sources.take(row == i)
        alone = Sources(np.zeros(len(one.row), dtype=np.int64), one.x_px, one.y_px, one.flux, one.width_px)
        assert np.allclose(together[i], draw(psf.take(np.array([i])), alone, 63)[0], atol=1e-5)
