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


def tail(days: FloatArray, share: float) -> FloatArray:
    """Light of cobalt's decay that follows a peak at 0 days, at most 0.6 `share` of it, same shape.

    Grows in 20 days as the ejecta thin and fades in 60: nickel's and cobalt's 8.8 and 111.3 days (Nadyozhin 1994, ApJS
    92, 527) with gamma rays that leak out.
    """
    t = np.maximum(days, 0.0)
    light: FloatArray = share * -np.expm1(-t / 20.0) * np.exp(-t / 60.0)
    return light


def plateau(
    days: FloatArray,
    rise_days: FloatArray,
    plateau_days: FloatArray,
    decline_mag_per_day: FloatArray,
    width_days: FloatArray,
    drop_mag: FloatArray,
) -> FloatArray:
    """A type II supernova's rise, plateau, drop and tail since explosion (0 days), (n, times); about 1 at first.

    Valenti et al. 2016 (MNRAS 459, 3939), equation 1: a straight decline, a Fermi function of depth `drop_mag` and
    width `width_days` at the plateau's end, then the 0.0098 mag a day of cobalt; with a rise of 1 - exp(-(t / rise)^2).
    """
    t = np.maximum(days, 0.0)
    straight = decline_mag_per_day * np.minimum(t, plateau_days) + 0.0098 * np.maximum(t - plateau_days, 0.0)
    fallen = drop_mag / (1.0 + np.exp(np.clip((plateau_days - t) / width_days, -60.0, 60.0)))
    curve: FloatArray = 10.0 ** (-0.4 * (straight + fallen)) * -np.expm1(-((t / rise_days) ** 2))
    return curve


def blanketing(rest_aa: FloatArray, strength: float) -> FloatArray:
    """Share of a photosphere's light that metal lines leave, 1 in the red to 1 - `strength` below 3,400 angstrom.

    A smooth step about 3,900 angstrom, as the spectra of type Ia and II supernovae show against black bodies (Nugent,
    Kim & Perlmutter 2002, PASP 114, 803, figure 1).
    """
    left: FloatArray = 1.0 - strength / (1.0 + np.exp((rest_aa - 3_900.0) / 180.0))
    return left


def reddening_law(rest_aa: FloatArray) -> FloatArray:
    """A / E(B-V) of dust with R_V = 3.1, same shape: a power law of index -1.3 through 4.1 in B.

    To 0.2 what Cardelli, Clayton & Mathis 1989 (ApJ 345, 245) have between 3,900 and 9,700 angstrom.
    """
    law: FloatArray = 4.1 * (rest_aa / 4_400.0) ** -1.3
    return law


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


def dwarf_nova(
    days: FloatArray, plateau_days: FloatArray, fall_days: FloatArray, plateau_drop: FloatArray
) -> FloatArray:
    """A cataclysmic variable's outburst in units of its amplitude in magnitudes, 0 (quiet) to 1, (n, times).

    The textbook outburst of Warner 1995 (Cataclysmic Variable Stars, chapter 3): a rise within a day, a top that fades
    by `plateau_drop` over `plateau_days`, and a fall linear in magnitude at the rate of one amplitude in `fall_days`:
    the amplitude times Bailey's rate, 0.53 P^0.84 days a magnitude for an orbital period of P hours.
    """
    rise = np.clip(days + 1.0, 0.0, 1.0)
    top = 1.0 - plateau_drop * np.clip(days / plateau_days, 0.0, 1.0)
    return np.minimum(rise, np.clip(top - np.maximum(days - plateau_days, 0.0) / fall_days, 0.0, 1.0))


def rr_lyrae(phase: FloatArray) -> FloatArray:
    """An RRab star's magnitude about its mean at `phase` (0 to 1), amplitude about 1 peak to peak; any shape.

    A Fourier series as introduced by Simon & Lee 1981 (ApJ 248, 291), of three terms with the ratios R21 = 0.47 and
    R31 = 0.32 and sine-series phase differences 2.45 and 5.1 rad, typical of RRab stars.
    """
    w = 2.0 * np.pi * phase
    series: FloatArray = np.sin(w) + 0.47 * np.sin(2.0 * w + 2.45) + 0.32 * np.sin(3.0 * w + 5.1)
    return 0.4 * series


def contact_binary(phase: FloatArray, depth_mag: FloatArray, unequal: FloatArray) -> FloatArray:
    """A W Ursae Majoris star's magnitude about its maximum at `phase` (0 to 1), broadcast.

    Light that follows cos(4 pi phase), the second minimum shallower by `unequal` (0 to 1): the leading terms of
    Rucinski 1993 (PASP 105, 1433).
    """
    twice = 0.5 * (1.0 + np.cos(4.0 * np.pi * phase))
    second = 1.0 - unequal * 0.5 * (1.0 - np.cos(2.0 * np.pi * phase))
    magnitude: FloatArray = depth_mag * twice**1.3 * second
    return magnitude


def detached_binary(
    phase: FloatArray, depth_mag: FloatArray, second_depth_mag: FloatArray, width: FloatArray
) -> FloatArray:
    """An Algol star's magnitude about its maximum at `phase` (0 to 1): two Gaussian eclipses, broadcast.

    The two-Gaussian model of Mowlavi et al. 2017 (A&A 606, A92), equation 1; `width` is in phase.
    """
    first = np.minimum(phase, 1.0 - phase)
    magnitude: FloatArray = depth_mag * np.exp(-0.5 * (first / width) ** 2)
    return magnitude + second_depth_mag * np.exp(-0.5 * ((phase - 0.5) / width) ** 2)


def flare(half_times: FloatArray) -> FloatArray:
    """A white-light flare in units of its peak, by time since the peak over its full width at half maximum; same shape.

    Davenport et al. 2014 (ApJ 797, 122), equations 1 and 4: a quartic rise from -1, then two exponentials.
    """
    t = half_times
    rise = 1.0 + 1.941 * t - 0.175 * t**2 - 2.246 * t**3 - 1.125 * t**4
    fall = 0.6890 * np.exp(np.clip(-1.600 * t, -80.0, 80.0)) + 0.3030 * np.exp(np.clip(-0.2783 * t, -80.0, 80.0))
    curve: FloatArray = np.where(t < -1.0, 0.0, np.where(t < 0.0, rise, fall))
    return curve.clip(0.0, None)


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
