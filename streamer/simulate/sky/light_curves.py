"""Parametric light curves, one published form a class; shapes only, each scaled to its peak by `populations`."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray

_H_C_OVER_K_AA = 1.438777e8
"""h c / k [angstrom kelvin]."""


def black_body(wavelength_aa: FloatArray, temperature_k: FloatArray) -> FloatArray:
    """Planck's B_nu up to a constant, (broadcast) of wavelength [angstrom] and temperature [K]."""
    x = np.minimum(_H_C_OVER_K_AA / (wavelength_aa * temperature_k), 600.0)
    curve: FloatArray = wavelength_aa**-3.0 / np.expm1(x)
    return curve


def bazin(days: FloatArray, rise_days: FloatArray, fall_days: FloatArray) -> FloatArray:
    """A supernova's rise and fall, 1 at peak, which is at 0 days; (n, times).

    Bazin et al. 2009 (A&A 499, 653), equation 1 without the constant: exp(-(t-t0)/fall) / (1 + exp(-(t-t0)/rise)),
    whose maximum lies rise * ln(fall / rise - 1) after t0. Needs fall > 2 rise.
    """
    peak = rise_days * np.log(fall_days / rise_days - 1.0)

    def raw(t: FloatArray) -> FloatArray:
        log: FloatArray = -t / fall_days - np.logaddexp(0.0, -t / rise_days)
        return log

    curve: FloatArray = np.exp(np.maximum(raw(days + peak) - raw(peak), -80.0))
    return curve


def plateau(
    days: FloatArray, rise_days: FloatArray, plateau_days: FloatArray, slope_per_day: FloatArray, fall_days: FloatArray
) -> FloatArray:
    """A type II supernova's rise, plateau and drop since explosion (0 days), (n, times); 1 at the plateau's start.

    Villar et al. 2019 (ApJ 884, 83), equation 1: (1 + slope t) / (1 + exp(-t/rise)) up to the plateau's end, then an
    exponential fall. Started four rise times early, so that it begins near zero.
    """
    t = days - 4.0 * rise_days
    knee = np.maximum(1.0 + slope_per_day * plateau_days, 0.05)
    level = np.where(t < plateau_days, 1.0 + slope_per_day * t, knee * np.exp(-(t - plateau_days) / fall_days))
    curve: FloatArray = np.where(days < 0.0, 0.0, level / (1.0 + np.exp(np.clip(-t / rise_days, -60.0, 60.0))))
    return np.maximum(curve, 0.0)


def magnetar(days: FloatArray, spin_down_days: FloatArray, diffusion_days: FloatArray) -> FloatArray:
    """A superluminous supernova heated by a magnetar since explosion (0 days), 1 at peak, (n, times).

    Arnett's diffusion of a magnetar's spin-down power 1 / (1 + t/tp)^2, as in Inserra et al. 2013 (ApJ 770, 128),
    with full trapping: L(t) = exp(-(t/tm)^2) * integral of 2 P(x) x/tm^2 exp((x/tm)^2) dx.
    """
    grid = np.linspace(0.0, 400.0, 801)
    x = grid / diffusion_days
    # exp(x^2) would overflow late: the integral is carried along already multiplied by exp(-(t/tm)^2).
    power = 2.0 * x / diffusion_days / (1.0 + grid / spin_down_days) ** 2
    step = np.diff(grid)
    luminosity = np.zeros(power.shape)
    for i in range(1, len(grid)):
        decay = np.exp(x[:, i - 1] ** 2 - x[:, i] ** 2)
        luminosity[:, i] = decay * (luminosity[:, i - 1] + 0.5 * step[i - 1] * power[:, i - 1])
        luminosity[:, i] += 0.5 * step[i - 1] * power[:, i]
    luminosity /= luminosity.max(axis=1, keepdims=True)
    return np.stack([np.interp(d, grid, row, left=0.0) for d, row in zip(days, luminosity, strict=True)])


def tidal_disruption(days: FloatArray, rise_days: FloatArray, decay_days: FloatArray) -> FloatArray:
    """A tidal disruption event about its peak (0 days), 1 there, (n, times).

    Van Velzen et al. 2021 (ApJ 908, 4): Gaussian rise, then ((t + t0) / t0)^(-5/3).
    """
    rise = np.exp(-0.5 * (days / rise_days) ** 2)
    fall = (np.maximum(days, 0.0) / decay_days + 1.0) ** (-5.0 / 3.0)
    return np.where(days < 0.0, rise, fall)


def damped_random_walk(
    rng: np.random.Generator, mjd: FloatArray, sigma_mag: FloatArray, tau_days: FloatArray
) -> FloatArray:
    """An active nucleus' magnitude about its mean, (n, times) for ascending times `mjd` (times,).

    A damped random walk, exact between samples: Kelly, Bechtold & Siemiginowska 2009 (ApJ 698, 895), with
    sigma the long-term scatter and tau the damping time as in MacLeod et al. 2010 (ApJ 721, 1014).
    """
    n = len(sigma_mag)
    kicks = rng.standard_normal((n, len(mjd)))
    walk = np.empty((n, len(mjd)))
    walk[:, 0] = sigma_mag[:, 0] * kicks[:, 0]
    memory = np.exp(-np.diff(mjd) / tau_days)
    for i in range(1, len(mjd)):
        m = memory[:, i - 1]
        walk[:, i] = m * walk[:, i - 1] + sigma_mag[:, 0] * np.sqrt(1.0 - m * m) * kicks[:, i]
    return walk


def dwarf_nova(days: FloatArray, plateau_days: FloatArray, fall_days: FloatArray) -> FloatArray:
    """A cataclysmic variable's outburst in units of its amplitude in magnitudes, 0 (quiet) to 1, (n, times).

    The textbook outburst of Warner 1995 (Cataclysmic Variable Stars, chapter 3): a rise within a day, a flat top, and
    a fall linear in magnitude over `fall_days`: the amplitude times Bailey's rate, 0.53 P^0.84 days a magnitude for an
    orbital period of P hours.
    """
    rise = np.clip(days + 1.0, 0.0, 1.0)
    fall = np.clip(1.0 - (days - plateau_days) / fall_days, 0.0, 1.0)
    return np.minimum(rise, fall)


def rr_lyrae(phase: FloatArray) -> FloatArray:
    """An RRab star's magnitude about its mean at `phase` (0 to 1), amplitude about 1 peak to peak; any shape.

    A Fourier series as introduced by Simon & Lee 1981 (ApJ 248, 291), of three terms with the ratios R21 = 0.47 and
    R31 = 0.32 and sine-series phase differences 2.45 and 5.1 rad, typical of RRab stars.
    """
    w = 2.0 * np.pi * phase
    series: FloatArray = np.sin(w) + 0.47 * np.sin(2.0 * w + 2.45) + 0.32 * np.sin(3.0 * w + 5.1)
    return 0.4 * series


def asteroid_magnitude(
    h_mag: FloatArray, heliocentric_au: FloatArray, geocentric_au: FloatArray, phase_deg: FloatArray
) -> FloatArray:
    """An asteroid's magnitude at a solar phase angle, by the H, G system with G = 0.15; (broadcast).

    Bowell et al. 1989 (Asteroids II, 524): V = H + 5 log10(r delta) - 2.5 log10((1 - G) phi1 + G phi2),
    phi_i = exp(-A_i tan(phase/2)^B_i).
    """
    tangent = np.tan(np.radians(phase_deg) / 2.0)
    phi1 = np.exp(-3.33 * tangent**0.63)
    phi2 = np.exp(-1.87 * tangent**1.22)
    bright = 0.85 * phi1 + 0.15 * phi2
    magnitude: FloatArray = h_mag + 5.0 * np.log10(heliocentric_au * geocentric_au) - 2.5 * np.log10(bright)
    return magnitude
