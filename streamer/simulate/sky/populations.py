"""What there is on the simulated sky: each class with its share, its host and its light curves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, FloatArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import light_curves as lc
from streamer.simulate.sky.galaxies import HostKind
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION

_R_AA = 6300.0
"""Wavelength at which peak magnitudes are drawn [angstrom]."""

Bands = FloatArray


@dataclass(slots=True)
class Curves:
    """The light curves of n objects of one class over E exposures, and what goes with them."""

    flux_njy: FloatArray
    """(n, E) true flux above the reference image; negative where fainter."""
    redshift: FloatArray
    """(n,) NaN where it has none."""
    counterpart_njy: FloatArray
    """(n, 6) flux of the point source in the reference image, by `BANDS`; 0 where there is none."""
    visible: npt.NDArray[np.bool_]
    """(n, E) whether the object is in the frame at all."""
    motion_arcsec_per_day: FloatArray
    """(n, 2) towards east and north; 0 for all that stays."""
    epoch_mjd: FloatArray
    """(n,) when a moving object is at its drawn position; peak or start of the others [d]."""
    parameters: dict[str, FloatArray] = field(default_factory=dict)
    """(n,) what was drawn for each object, for the truth: `peak_abs_mag`, `stretch`, `period_d`."""
    extra: dict[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    """(n,) or (n, E) columns that only some classes have: asteroids' `h_mag`, `helio_au`, `topo_au`, `phase_deg`."""


@dataclass(frozen=True, slots=True)
class Window:
    """The evenings that are sent [MJD]: the first, and the one after the last."""

    first_mjd: float
    end_mjd: float


Draw = Callable[[np.random.Generator, int, Survey, Exposures, Window], Curves]


@dataclass(frozen=True, slots=True)
class Population:
    """One class of the simulated sky."""

    type: str
    """Fine type, as in spectroscopic lists."""
    label: str | None
    """Broad class of `schemas.taxonomy.CLASSES`; None where a classifier of transients is not asked."""
    share: float
    """Share of the drawn objects (not of the packets: what lasts longer sends more)."""
    host: HostKind | None
    """The galaxies it lives in; None for what needs none."""
    draw: Draw


def _distance_modulus(redshift: FloatArray) -> FloatArray:
    """Of a flat universe with H0 = 70 km/s/Mpc and matter 0.3, (any shape) up to redshift 4."""
    grid = np.linspace(0.0, 4.0, 2001)
    rate = 1.0 / np.sqrt(0.3 * (1.0 + grid) ** 3 + 0.7)
    comoving = np.concatenate([[0.0], np.cumsum(0.5 * (rate[1:] + rate[:-1]) * np.diff(grid))]) * 299_792.458 / 70.0
    modulus = 5.0 * np.log10(np.maximum(comoving, 1e-6) * (1.0 + grid)) + 25.0
    return np.asarray(np.interp(redshift, grid, modulus))


def _peaks(
    rng: np.random.Generator, n: int, survey: Survey, absolute_mag: float, scatter_mag: float
) -> tuple[FloatArray, FloatArray]:
    """Peak magnitudes and redshifts, each (n, 1), of a sample limited by magnitude.

    Counts grow as 10^(0.6 m) (uniform space), and such a sample's mean absolute magnitude is brighter by
    0.6 ln(10) sigma^2 than the population's (Malmquist 1922).
    """
    mag = np.clip(survey.peak_mag + np.log10(rng.random((n, 1))) / 0.6, survey.bright_mag, None)
    absolute = rng.normal(absolute_mag - 0.6 * np.log(10.0) * scatter_mag**2, scatter_mag, (n, 1))
    grid = np.linspace(0.001, 3.5, 3000)
    redshift = np.interp(mag - absolute, _distance_modulus(grid), grid)
    return mag, redshift


def _start(rng: np.random.Generator, n: int, window: Window, before_days: float) -> FloatArray:
    """(n, 1) times spread from `before_days` before the first packet to the last night [d]."""
    return rng.uniform(window.first_mjd - before_days, window.end_mjd, (n, 1))


def _thermal(
    survey: Survey,
    exposures: Exposures,
    shape: FloatArray,
    temperature_k: FloatArray,
    peak_mag: FloatArray,
    redshift: FloatArray,
    epoch: FloatArray,
) -> Curves:
    """A transient that shines like a black body: `shape` (n, E) in r, coloured by its temperature (n, E)."""
    rest = exposures.wavelength_aa(survey.name)[None, :] / (1.0 + redshift)
    colour = lc.black_body(rest, temperature_k) / lc.black_body(_R_AA / (1.0 + redshift), temperature_k)
    flux = flux_from_magnitude(peak_mag) * shape * colour
    return _staying(flux, redshift[:, 0], epoch[:, 0])


def _staying(
    flux: FloatArray, redshift: FloatArray, epoch: FloatArray, counterpart: FloatArray | None = None
) -> Curves:
    n = len(flux)
    none = np.zeros((n, len(BANDS)))
    everywhere = np.ones(flux.shape, dtype=bool)
    return Curves(flux, redshift, none if counterpart is None else counterpart, everywhere, np.zeros((n, 2)), epoch)


def _sn_ia(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """M = -19.3 +- 0.35 with dust and stretch; rise and fall of Bazin's form, cooling from 11,000 to 5,500 K."""
    mag, z = _peaks(rng, n, survey, -19.3, 0.35)
    epoch = _start(rng, n, window, 60.0)
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    stretch = rng.normal(1.0, 0.09, (n, 1)).clip(0.7, 1.3)
    temperature = 5_500.0 + 5_500.0 / (1.0 + np.exp((days - 12.0) / 6.0))
    shape = lc.bazin(days, 3.6 * stretch, 23.0 * stretch)
    return _thermal(survey, exposures, shape, temperature, mag, z, epoch)


def _sn_ii(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """M = -17 +- 0.8; plateaus of 60 to 110 days at 6,000 K after a hot start."""
    mag, z = _peaks(rng, n, survey, -17.0, 0.8)
    epoch = _start(rng, n, window, 110.0)
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    length = rng.uniform(60.0, 110.0, (n, 1))
    shape = lc.plateau(
        days, rng.uniform(1.2, 3.0, (n, 1)), length, -rng.uniform(0.0, 0.006, (n, 1)), np.full((n, 1), 9.0)
    )
    temperature = 6_000.0 + 12_000.0 * np.exp(-np.maximum(days, 0.0) / 10.0)
    return _thermal(survey, exposures, shape, temperature, mag, z, epoch)


def _slsn(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """M = -21.3 +- 0.6; a magnetar of 5 to 40 days' spin-down in an ejecta of 25 to 50 days' diffusion."""
    mag, z = _peaks(rng, n, survey, -21.3, 0.6)
    epoch = _start(rng, n, window, 150.0)
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    shape = lc.magnetar(days, rng.uniform(5.0, 40.0, (n, 1)), rng.uniform(25.0, 50.0, (n, 1)))
    temperature = 7_000.0 + 10_000.0 * np.exp(-np.maximum(days, 0.0) / 35.0)
    return _thermal(survey, exposures, shape, temperature, mag, z, epoch)


def _tde(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """M = -20 +- 0.8 (r); hot all along: 15,000 to 35,000 K."""
    mag, z = _peaks(rng, n, survey, -20.0, 0.8)
    epoch = _start(rng, n, window, 90.0)
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    shape = lc.tidal_disruption(days, rng.uniform(8.0, 20.0, (n, 1)), rng.uniform(30.0, 90.0, (n, 1)))
    temperature = np.broadcast_to(rng.uniform(15_000.0, 35_000.0, (n, 1)), days.shape)
    return _thermal(survey, exposures, shape, temperature, mag, z, epoch)


def _agn(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Damped random walks of 0.1 to 0.4 mag over months, weaker in the red as wavelength^-0.48 (MacLeod 2010)."""
    faint = survey.peak_mag - 0.3
    mean = rng.uniform(faint - 3.5, faint, (n, 1))
    walk = lc.damped_random_walk(
        rng, exposures.mjd_tai, rng.uniform(0.1, 0.4, (n, 1)), rng.lognormal(np.log(250.0), 0.5, (n, 1))
    )
    wavelength = exposures.wavelength_aa(survey.name)
    magnitude = walk * (wavelength / 4000.0) ** -0.48
    counterpart = flux_from_magnitude(mean) * _colours(rng, n, -0.5, 0.2)
    flux = counterpart[:, exposures.band] * (10.0 ** (-0.4 * magnitude) - 1.0)
    return _staying(flux, rng.uniform(0.05, 1.5, n), np.full(n, exposures.mjd_tai[0]), counterpart)


def _cv(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Dwarf novae: outbursts every 30 to 300 days, amplitudes from the Kukarkin-Parenago relation (Warner 1995)."""
    recurrence = rng.lognormal(np.log(80.0), 0.7, (n, 1)).clip(25.0, 400.0)
    amplitude = (0.7 + 1.9 * np.log10(recurrence) + rng.normal(0.0, 0.4, (n, 1))).clip(2.0, 7.0)
    peak = np.clip(survey.peak_mag - 0.8 + np.log10(rng.random((n, 1))) / 0.6, survey.bright_mag, None)
    fall = 0.53 * rng.uniform(1.4, 8.0, (n, 1)) ** 0.84 * amplitude
    top = rng.choice([2.0, 4.0, 12.0], size=(n, 1), p=[0.5, 0.3, 0.2])
    epoch = _start(rng, n, window, 10.0)
    level = np.zeros((n, len(exposures)))
    for cycle in range(-12, 3):
        start = epoch + recurrence * (cycle + rng.normal(0.0, 0.08, (n, 1)) * (cycle != 0))
        level = np.maximum(level, lc.dwarf_nova(exposures.mjd_tai - start, top, fall))
    counterpart = flux_from_magnitude(peak + amplitude) * _colours(rng, n, -0.2, 0.2)
    flux = counterpart[:, exposures.band] * (10.0 ** (0.4 * amplitude * level) - 1.0)
    return _staying(flux, np.full(n, np.nan), epoch[:, 0], counterpart)


def _variable(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """RR Lyrae stars of 0.3 to 1.1 mag (g), 0.45 to 0.75 days; amplitude ratios of Sesar et al. 2010 (ApJ 708, 717)."""
    mean = rng.uniform(survey.bright_mag + 0.5, survey.peak_mag + 0.3, (n, 1))
    amplitude = rng.uniform(0.3, 1.1, (n, 1)) * np.array([1.0, 1.0, 0.72, 0.57, 0.52, 0.5])[exposures.band]
    phase = (exposures.mjd_tai / rng.uniform(0.45, 0.75, (n, 1)) + rng.random((n, 1))) % 1.0
    counterpart = flux_from_magnitude(mean) * _colours(rng, n, 0.5, 0.2)
    flux = counterpart[:, exposures.band] * (10.0 ** (-0.4 * amplitude * lc.rr_lyrae(phase)) - 1.0)
    return _staying(flux, np.full(n, np.nan), np.full(n, exposures.mjd_tai[0]), counterpart)


def _asteroid(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Main-belt asteroids near opposition, in the field for some days; they leave nothing in the reference image."""
    helio = rng.uniform(2.1, 3.2, (n, 1))
    phase = rng.uniform(0.5, 0.9 * np.degrees(np.arcsin(1.0 / helio)))
    # Triangle Sun - Earth (1 au) - asteroid, solved for the distance at this phase angle.
    topo = helio * np.cos(np.radians(phase)) - np.sqrt(1.0 - (helio * np.sin(np.radians(phase))) ** 2)
    wanted = survey.peak_mag + 0.8 + np.log10(rng.random((n, 1))) / 0.6
    h_mag = wanted - lc.asteroid_magnitude(np.zeros((n, 1)), helio, topo, phase)
    # A circular orbit's daily motion seen from Earth at opposition, slower by up to a third away from it.
    rate = 3548.2 * (1.0 - helio**-0.5) / (helio - 1.0) * rng.uniform(0.7, 1.0, (n, 1))
    angle = rng.normal(0.3, 0.2, (n, 1))
    spin = 0.1 * np.sin(2.0 * np.pi * (exposures.mjd_tai / rng.uniform(0.1, 0.5, (n, 1)) + rng.random((n, 1))))
    colour = (_R_AA / exposures.wavelength_aa(survey.name)) ** -0.8
    magnitude = lc.asteroid_magnitude(h_mag, helio, topo, phase) + spin
    epoch = _start(rng, n, window, 0.0)
    curves = _staying(flux_from_magnitude(magnitude) * colour, np.full(n, np.nan), epoch[:, 0])
    curves.visible = np.abs(exposures.mjd_tai - epoch) < 4.0
    curves.motion_arcsec_per_day = np.hstack([-rate * np.cos(angle), rate * np.sin(angle)])
    curves.extra = {"h_mag": h_mag[:, 0], "helio_au": helio[:, 0], "topo_au": topo[:, 0], "phase_deg": phase[:, 0]}
    return curves


def _bogus(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Dipoles, cosmic rays and bad pixels: one or two fluxes of either sign above 6 times the noise, no curve."""
    first = exposures.emitted_from
    flux = np.zeros((n, len(exposures)))
    when = rng.integers(first, len(exposures), size=(n, 2))
    sign = np.where(rng.random(n) < 0.6, 1.0, -1.0)
    for column, chance in ((0, 1.0), (1, 0.25)):
        hit = np.flatnonzero(rng.random(n) < chance)
        at = when[hit, column]
        flux[hit, at] = (
            sign[hit] * (6.0 + rng.exponential(3.0, len(hit)).clip(0.0, 15.0)) * exposures.limit_njy()[at] / 5.0
        )
    epoch = exposures.mjd_tai[when[:, 0]]
    curves = _staying(flux, np.full(n, np.nan), epoch)
    curves.extra = {"artefact": rng.integers(BAD_SUBTRACTION, BAD_COLUMN + 1, n)}
    return curves


def _colours(rng: np.random.Generator, n: int, slope: float, scatter: float) -> Bands:
    """(n, 6) flux in each of `BANDS` for 1 in r, a power law of wavelength: slope < 0 is blue."""
    wavelength = np.array([3671.0, 4827.0, 6300.0, 7700.0, 8691.0, 9712.0])
    bands: Bands = (wavelength / _R_AA) ** rng.normal(slope, scatter, (n, 1))
    return bands


INTERESTING: tuple[Population, ...] = (
    Population("bogus", None, 0.24, None, _bogus),
    Population("SN Ia", "SN I", 0.18, HostKind(-20.8, 1.1, 0.4, False), _sn_ia),
    Population("asteroid", None, 0.13, None, _asteroid),
    Population("SN IIP", "SN II", 0.12, HostKind(-19.8, 1.4, 0.1, False), _sn_ii),
    Population("CV", "CV", 0.10, None, _cv),
    Population("AGN", "AGN", 0.07, HostKind(-21.3, 0.9, 0.3, True), _agn),
    Population("TDE", "TDE", 0.06, HostKind(-19.8, 1.0, 0.3, True), _tde),
    Population("RR Lyrae", "other", 0.05, None, _variable),
    Population("SLSN-I", "SLSN", 0.05, HostKind(-17.8, 1.5, 0.0, False), _slsn),
)
"""The mixture of a simulated night: limited in magnitude within each class, but with the rare classes made common.
On the real sky variables, asteroids and bogus detections outnumber supernovae by a hundred to one."""
