"""Supernovae and tidal disruptions: published luminosities, rates, shapes and temperatures."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import cosmology
from streamer.simulate.sky import light_curves as lc
from streamer.simulate.sky.galaxies import HostKind
from streamer.simulate.sky.populations import R_AA, Curves, Draw, Population, Window, staying
from streamer.simulate.sky.volumetric import Explosions


def thermal(
    survey: Survey,
    exposures: Exposures,
    shape: FloatArray,
    temperature_k: FloatArray,
    absolute_mag: FloatArray,
    redshift: FloatArray,
    blanketing: float = 0.0,
    host_reddening_mag: FloatArray | float = 0.0,
) -> FloatArray:
    """Observed fluxes (n, E) [nJy] of what shines as a black body dimmed in the ultraviolet.

    `shape` (n, E) is the brightness in rest-frame r over that of `absolute_mag` (n, 1). Of a distance modulus mu:
    f = (1 + z) 10^(-0.4 (M + mu)) B(l / (1 + z), T) / B(r, T), Hogg et al. 2002, arXiv:astro-ph/0210394, equation 8.
    """
    rest_aa = exposures.wavelength_aa(survey.name)[None, :] / (1.0 + redshift)
    colour = lc.black_body(rest_aa, temperature_k) / lc.black_body(np.array(R_AA), temperature_k)
    colour = colour * lc.blanketing(rest_aa, blanketing)
    dust = 10.0 ** (-0.4 * host_reddening_mag * lc.reddening_law(rest_aa))
    peak = flux_from_magnitude(absolute_mag + cosmology.distance_modulus(redshift)) * (1.0 + redshift)
    flux: FloatArray = peak * shape * colour * dust
    return flux


def _finish(flux: FloatArray, redshift: FloatArray, epoch: FloatArray, parameters: dict[str, FloatArray]) -> Curves:
    curves = staying(flux, redshift[:, 0], epoch[:, 0])
    curves.parameters = {name: np.broadcast_to(value, (len(flux), 1))[:, 0] for name, value in parameters.items()}
    return curves


SN_IA = Explosions(2.5e-5, 1.5, -19.3, 0.15, 110.0)
"""Rate: Dilday et al. 2010 (ApJ 713, 1026); luminosity before stretch and colour: Guy et al. 2010 (A&A 523, A7)."""


def draw_sn_ia(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Type Ia: Tripp's M = -19.3 - 0.14 x1 + 3.1 c with x1 and c as Scolnic & Kessler 2016 (ApJ 822, L35) have them.

    The shape is Bazin's, stretched by 0.98 + 0.091 x1 (Guy et al. 2007, A&A 466, 11, equation 6); a second
    maximum follows the first by 26 days in the red (Kasen 2006, ApJ 649, 939). It cools from 13,000 to 4,600 K.
    """
    x1 = _two_sided(rng, n, 0.97, 1.47, 0.22).clip(-3.0, 3.0)
    c = _two_sided(rng, n, -0.05, 0.04, 0.10).clip(-0.3, 0.5)
    magnitude, z = SN_IA.draw(rng, n, survey)
    # The law of dust takes 4.1 c in B and 2.6 c in r; Tripp's relation has 3.1 c in B.
    magnitude = magnitude - 0.14 * x1 - 1.0 * c
    epoch = window.epochs(rng, n, SN_IA.visible_days * (1.0 + z))
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    stretch = 0.98 + 0.091 * x1
    phase = days / stretch
    temperature = 4_600.0 + 8_500.0 / (1.0 + np.exp((phase - 6.0) / 6.0))
    shape = lc.bazin(phase, np.full((n, 1), 3.25), np.full((n, 1), 18.0)) + lc.tail(phase, 0.17)
    rest_aa = exposures.wavelength_aa(survey.name)[None, :] / (1.0 + z)
    second = 0.4 * np.exp(-0.5 * ((phase - 26.0) / 8.0) ** 2) * np.clip((rest_aa - 5_600.0) / 1_900.0, 0.0, 1.0)
    flux = thermal(survey, exposures, shape + second, temperature, magnitude, z, 0.8, c)
    return _finish(flux, z, epoch, {"peak_abs_mag": magnitude, "stretch": stretch, "x1": x1, "colour": c})


def _two_sided(rng: np.random.Generator, n: int, centre: float, below: float, above: float) -> FloatArray:
    """(n, 1) of a Gaussian with another width on either side of its mode."""
    side = rng.random((n, 1)) < below / (below + above)
    size = np.abs(rng.standard_normal((n, 1)))
    drawn: FloatArray = centre + np.where(side, -below, above) * size
    return drawn


def _stripped(explosions: Explosions, rise_days: float, fall_days: float) -> Draw:
    def draw(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
        """Type Ib, Ic or IIb: Bazin's shape with the rise and fall of Taddia et al. 2015 (A&A 574, A60), reddened in
        its host by 0.2 mag on average (Drout et al. 2011, ApJ 741, 97), cooling from 8,000 to 4,900 K.
        """
        magnitude, z = explosions.draw(rng, n, survey)
        epoch = window.epochs(rng, n, explosions.visible_days * (1.0 + z))
        days = (exposures.mjd_tai - epoch) / (1.0 + z)
        width = rng.lognormal(0.0, 0.22, (n, 1))
        dust = rng.exponential(0.2, (n, 1))
        temperature = 4_900.0 + 3_200.0 / (1.0 + np.exp((days / width - 4.0) / 5.0))
        shape = lc.bazin(days, rise_days * width, fall_days * width) + lc.tail(days, 0.11)
        flux = thermal(survey, exposures, shape, temperature, magnitude, z, 0.85, dust)
        return _finish(flux, z, epoch, {"peak_abs_mag": magnitude, "stretch": width, "host_ebv_mag": dust})

    return draw


SN_IB = Explosions(0.6e-5, 2.5, -17.5, 0.8, 110.0)
SN_IC = Explosions(1.15e-5, 2.5, -17.5, 0.8, 110.0)
SN_IIB = Explosions(0.63e-5, 2.5, -17.1, 0.9, 110.0)
SN_IIP = Explosions(4.2e-5, 2.5, -17.0, 1.05, 150.0)
SN_IIN = Explosions(0.47e-5, 2.5, -18.0, 0.85, 250.0)
"""Core collapse: 7.05e-5 in all, a quarter of it stripped, a third of that Ib, and 80, 12 and 9 % of the rest IIP with
IIL, IIb and IIn (Li et al. 2011, MNRAS 412, 1441 and 1473); growing with redshift as star formation does (Madau &
Dickinson 2014, ARA&A 52, 415). Luminosities lie about those of Richardson et al. 2014 (AJ 147, 118), their means and
scatters moved by up to half a magnitude, so that a sample to 18.5 mag is mixed as that of Perley et al. 2020 (ApJ 904,
35)."""


def draw_sn_ii(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Type IIP and IIL, one family: plateaus of 84 +- 17 days that decline by 1.3 +- 0.9 mag in 100 days (Anderson et
    al. 2014, ApJ 786, 67), brighter where they decline faster; from 14,000 K to the 5,500 K of recombination.
    """
    magnitude, z = SN_IIP.draw(rng, n, survey)
    decline = rng.normal(1.27, 0.93, (n, 1)).clip(-0.3, 4.5)
    magnitude = magnitude - 0.25 * (decline - 1.27)
    epoch = window.epochs(rng, n, SN_IIP.visible_days * (1.0 + z))
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    length = rng.normal(83.7, 16.7, (n, 1)).clip(40.0, 130.0)
    rise = rng.lognormal(np.log(1.6), 0.4, (n, 1))
    width, drop = rng.uniform(4.0, 9.0, (n, 1)), rng.uniform(0.9, 2.2, (n, 1))
    shape = lc.plateau(days, rise, length, decline / 100.0, width, drop)
    temperature = 5_500.0 + 8_500.0 * np.exp(-np.maximum(days, 0.0) / 11.0)
    dust = rng.exponential(0.08, (n, 1))
    blanketing = 0.75
    flux = thermal(survey, exposures, shape, temperature, magnitude, z, blanketing, dust)
    parameters = {"peak_abs_mag": magnitude, "plateau_days": length, "decline_mag_100d": decline, "host_ebv_mag": dust}
    return _finish(flux, z, epoch, parameters)


def draw_sn_iin(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Type IIn: powered by the wind it runs into; rises of 20 to 50 days and slow falls (Nyholm et al. 2020, A&A 637,
    A73), 11,000 K at first and 7,200 K late.
    """
    magnitude, z = SN_IIN.draw(rng, n, survey)
    epoch = window.epochs(rng, n, SN_IIN.visible_days * (1.0 + z))
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    rise = rng.uniform(4.0, 11.0, (n, 1))
    fall = rise * rng.uniform(6.0, 16.0, (n, 1))
    temperature = 7_200.0 + 4_000.0 * np.exp(-np.maximum(days + 20.0, 0.0) / 40.0)
    flux = thermal(survey, exposures, lc.bazin(days, rise, fall), temperature, magnitude, z, 0.3)
    return _finish(flux, z, epoch, {"peak_abs_mag": magnitude, "rise_days": rise, "fall_days": fall})


SLSN = Explosions(3.5e-8, 3.5, -21.2, 0.5, 250.0)
"""Rate: Frohmaier et al. 2021 (MNRAS 500, 5142); luminosity: De Cia et al. 2018 (ApJ 860, 100)."""


def draw_slsn(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Superluminous: a magnetar's spin-down in 6 to 60 days through a diffusion time of 22 to 55 days (the range of
    Nicholl, Guillochon & Berger 2017, ApJ 850, 55), cooling from 19,500 K to a floor of 7,500 K.
    """
    magnitude, z = SLSN.draw(rng, n, survey)
    epoch = window.epochs(rng, n, SLSN.visible_days * (1.0 + z))
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    spin_down = rng.lognormal(np.log(18.0), 0.6, (n, 1)).clip(5.0, 80.0)
    diffusion = rng.lognormal(np.log(36.0), 0.25, (n, 1)).clip(20.0, 65.0)
    temperature = 7_500.0 + 12_000.0 * np.exp(-np.maximum(days - 10.0, 0.0) / diffusion)
    shape = lc.magnetar(days, spin_down, diffusion)
    flux = thermal(survey, exposures, shape, temperature, magnitude, z, 0.1)
    return _finish(flux, z, epoch, {"peak_abs_mag": magnitude, "spin_down_d": spin_down, "diffusion_d": diffusion})


TDE = Explosions(3.1e-7, -1.0, -18.9, 0.8, 200.0)
"""Rate: Yao et al. 2023 (ApJ 955, L6), which falls with redshift; so bright that a limited sample has their mean."""


def draw_tde(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Tidal disruption: Gaussian rise of 6 to 25 days and a fall as (1 + t / t0)^(-5/3) with t0 of 20 to 120 days, at
    12,000 to 35,000 K that change by at most 60 K a day (van Velzen et al. 2021, ApJ 908, 4, section 5).
    """
    magnitude, z = TDE.draw(rng, n, survey)
    epoch = window.epochs(rng, n, TDE.visible_days * (1.0 + z))
    days = (exposures.mjd_tai - epoch) / (1.0 + z)
    rise = rng.lognormal(np.log(11.0), 0.4, (n, 1)).clip(5.0, 28.0)
    decay = rng.lognormal(np.log(55.0), 0.5, (n, 1)).clip(18.0, 180.0)
    peak_k = rng.lognormal(np.log(17_500.0), 0.25, (n, 1)).clip(11_000.0, 40_000.0)
    temperature = np.maximum(
        peak_k + rng.normal(20.0, 20.0, (n, 1)).clip(-60.0, 60.0) * np.clip(days, -20.0, 200.0), 9_000.0
    )
    dust = rng.exponential(0.05, (n, 1))
    shape = lc.tidal_disruption(days, rise, decay)
    flux = thermal(survey, exposures, shape, temperature, magnitude, z, 0.0, dust)
    parameters = {"peak_abs_mag": magnitude, "rise_days": rise, "decay_days": decay, "temperature_k": peak_k}
    return _finish(flux, z, epoch, parameters)


_SPIRALS = HostKind(-19.8, 1.3, 0.05, False)

EXPLOSIONS: tuple[Population, ...] = (
    Population("SN Ia", "SN I", 0.17, HostKind(-20.5, 1.2, 0.4, False), SN_IA.density_deg2, draw_sn_ia),
    Population("SN Ib", "SN I", 0.02, _SPIRALS, SN_IB.density_deg2, _stripped(SN_IB, 3.8, 23.0)),
    Population("SN Ic", "SN I", 0.02, _SPIRALS, SN_IC.density_deg2, _stripped(SN_IC, 3.6, 22.0)),
    Population("SN IIP", "SN II", 0.09, _SPIRALS, SN_IIP.density_deg2, draw_sn_ii),
    Population("SN IIb", "SN II", 0.02, _SPIRALS, SN_IIB.density_deg2, _stripped(SN_IIB, 3.8, 22.0)),
    Population("SN IIn", "SN II", 0.03, HostKind(-19.4, 1.4, 0.05, False), SN_IIN.density_deg2, draw_sn_iin),
    Population("SLSN-I", "SLSN", 0.05, HostKind(-17.8, 1.5, 0.0, False), SLSN.density_deg2, draw_slsn),
    Population("TDE", "TDE", 0.06, HostKind(-20.4, 1.0, 0.6, True), TDE.density_deg2, draw_tde),
)
"""What explodes once."""
