"""What lives on a star of our Galaxy, or in a nucleus, and varies for good."""

from __future__ import annotations

import numpy as np

from schemas.light_curve import FloatArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import cosmology
from streamer.simulate.sky import light_curves as lc
from streamer.simulate.sky.galaxies import HostKind
from streamer.simulate.sky.populations import (
    BAND_AA,
    R_AA,
    Curves,
    Density,
    Place,
    Population,
    Window,
    colours,
    staying,
)

_NO_REDSHIFT = np.array(np.nan)


def _layer(pole_deg2: float, plane_deg2: float, height_deg: float, lsst_gain: float) -> Density:
    """Stars a square degree: a few everywhere and more towards the plane; LSST's depth reaches `lsst_gain` as many."""

    def density(survey: Survey, place: Place, window: Window) -> float:
        stars = pole_deg2 + plane_deg2 * float(np.exp(-abs(place.galactic_latitude_deg) / height_deg))
        return stars * (lsst_gain if survey.name == "lsst" else 1.0)

    return density


def _mean_magnitudes(
    rng: np.random.Generator, n: int, survey: Survey, slope: float, faint_by: float, brightest: float
) -> FloatArray:
    """(n, 1) magnitudes (r) that grow as 10^(slope m) from `brightest` to `faint_by` below the faintest peak."""
    faint = survey.peak_mag + faint_by
    least = 10.0 ** (slope * (max(brightest, survey.bright_mag - 1.0) - faint))
    magnitude: FloatArray = faint + np.log10(least + (1.0 - least) * rng.random((n, 1))) / slope
    return magnitude


def _varying(
    exposures: Exposures,
    mean_mag: FloatArray,
    spectrum: FloatArray,
    change_mag: FloatArray,
    mean_of_change: float = 0.0,
) -> tuple[FloatArray, FloatArray]:
    """Difference flux (n, E) and reference flux (n, 6) of stars whose magnitude differs by `change_mag` (n, E) from
    their brightest or mean; the reference image holds the flux at `mean_of_change`.
    """
    counterpart = flux_from_magnitude(mean_mag + mean_of_change) * spectrum
    level = flux_from_magnitude(mean_mag) * spectrum
    return level[:, exposures.band] * 10.0 ** (-0.4 * change_mag) - counterpart[:, exposures.band], counterpart


def _star(exposures: Exposures, flux: FloatArray, counterpart: FloatArray, parameters: dict[str, FloatArray]) -> Curves:
    curves = staying(flux, _NO_REDSHIFT, exposures.mjd_tai[0], counterpart)
    curves.parameters = {name: np.broadcast_to(value, (len(flux), 1))[:, 0] for name, value in parameters.items()}
    return curves


def draw_rr_lyrae(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """RR Lyrae stars: of type ab 0.4 to 1.2 mag (g) in 0.45 to 0.75 days, of type c (one in four) half that; amplitude
    ratios of Sesar et al. 2010 (ApJ 708, 717).
    """
    mean = _mean_magnitudes(rng, n, survey, 0.2, -0.3, 13.5)
    overtone = rng.random((n, 1)) < 0.25
    period = np.where(overtone, rng.uniform(0.25, 0.40, (n, 1)), rng.normal(0.57, 0.07, (n, 1)).clip(0.42, 0.8))
    amplitude = np.where(overtone, rng.uniform(0.3, 0.6, (n, 1)), rng.uniform(0.4, 1.2, (n, 1)))
    ratio = np.array([1.0, 1.0, 0.72, 0.57, 0.52, 0.5])[exposures.band]
    phase = (exposures.mjd_tai / period + rng.random((n, 1))) % 1.0
    wave = np.where(overtone, 0.5 * np.sin(2.0 * np.pi * phase), lc.rr_lyrae(phase))
    flux, counterpart = _varying(exposures, mean, colours(rng, n, 0.6, 0.15), amplitude * ratio * wave)
    return _star(exposures, flux, counterpart, {"period_d": period, "amplitude_mag": amplitude, "mean_mag": mean})


def draw_contact(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Contact binaries (W Ursae Majoris): 0.15 to 0.75 mag deep in 0.25 to 0.55 days (Chen et al. 2020)."""
    mean = _mean_magnitudes(rng, n, survey, 0.25, -0.5, 13.0)
    period, depth = rng.normal(0.36, 0.06, (n, 1)).clip(0.23, 0.7), rng.uniform(0.15, 0.75, (n, 1))
    phase = (exposures.mjd_tai / period + rng.random((n, 1))) % 1.0
    change = lc.contact_binary(phase, depth, rng.uniform(0.0, 0.25, (n, 1)))
    # The reference image averages over the orbit: half of the light is lost half of the time.
    flux, counterpart = _varying(exposures, mean, colours(rng, n, 1.5, 0.5), change - 0.45 * depth)
    return _star(exposures, flux, counterpart, {"period_d": period, "amplitude_mag": depth, "mean_mag": mean})


def draw_detached(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Detached binaries (Algol): eclipses of 0.2 to 2 mag in 0.6 to 20 days (Mowlavi et al. 2017), quiet between."""
    mean = _mean_magnitudes(rng, n, survey, 0.25, -0.5, 13.0)
    period = rng.lognormal(np.log(2.5), 0.8, (n, 1)).clip(0.6, 30.0)
    depth = rng.exponential(0.5, (n, 1)).clip(0.15, 2.5)
    width = (0.05 * (period / 2.5) ** -0.45).clip(0.008, 0.09)
    phase = (exposures.mjd_tai / period + rng.random((n, 1))) % 1.0
    change = lc.detached_binary(phase, depth, depth * rng.uniform(0.05, 0.9, (n, 1)), width)
    flux, counterpart = _varying(exposures, mean, colours(rng, n, 0.9, 0.6), change)
    return _star(exposures, flux, counterpart, {"period_d": period, "amplitude_mag": depth, "mean_mag": mean})


def draw_long_period(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Red giants that pulsate: 80 to 500 days, 0.3 to 5 mag in g, less in the red; sinusoids, as the General Catalogue
    of Variable Stars (Samus et al. 2017, ARep 61, 80) tells them by period and amplitude alone.
    """
    mean = _mean_magnitudes(rng, n, survey, 0.1, -2.0, 12.0)
    period = rng.lognormal(np.log(210.0), 0.5, (n, 1)).clip(60.0, 600.0)
    amplitude = rng.lognormal(np.log(0.8), 0.6, (n, 1)).clip(0.25, 6.0)
    ratio = np.array([1.2, 1.0, 0.8, 0.5, 0.4, 0.35])[exposures.band]
    phase = exposures.mjd_tai / period + rng.random((n, 1))
    flux, counterpart = _varying(
        exposures, mean, colours(rng, n, 4.5, 1.0), 0.5 * amplitude * ratio * np.sin(2.0 * np.pi * phase)
    )
    return _star(exposures, flux, counterpart, {"period_d": period, "amplitude_mag": amplitude, "mean_mag": mean})


def draw_cv(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Dwarf novae: outbursts every 20 to 400 days, amplitudes by the Kukarkin-Parenago relation, falls by Bailey's
    (Warner 1995, Cataclysmic Variable Stars, chapter 3); superoutbursts of 14 and 22 days fade by 0.1 mag a day
    (Kato et al. 2009, PASJ 61, S395); two in five flicker by 0.15 mag.
    """
    recurrence = rng.lognormal(np.log(60.0), 0.8, (n, 1)).clip(15.0, 500.0)
    amplitude = (0.7 + 1.9 * np.log10(recurrence) + rng.normal(0.0, 0.5, (n, 1))).clip(1.5, 8.0)
    peak = _mean_magnitudes(rng, n, survey, 0.4, 0.2, 13.5)
    fall = 0.53 * rng.uniform(1.4, 8.0, (n, 1)) ** 0.84 * amplitude
    top = rng.choice([2.0, 4.0, 14.0, 22.0], size=(n, 1), p=[0.4, 0.25, 0.2, 0.15])
    fading = np.where(top > 10.0, 0.1 * top / amplitude, 0.0).clip(0.0, 0.8)
    epoch = window.epochs(rng, n, recurrence)
    level = np.zeros((n, len(exposures)))
    reach = int(np.ceil((exposures.mjd_tai[-1] - exposures.mjd_tai[0]) / 60.0)) + 2
    for cycle in range(-min(reach, 12), 3):
        start = epoch + recurrence * (cycle + rng.normal(0.0, 0.08, (n, 1)) * (cycle != 0))
        level = np.maximum(level, lc.dwarf_nova(exposures.mjd_tai - start, top, fall, fading))
    flicker = np.where(rng.random((n, 1)) < 0.4, 0.15, 0.03) * rng.standard_normal(level.shape)
    # An outburst is hot, the quiet system is not: bluer by its amplitude.
    blue = (exposures.wavelength_aa(survey.name) / R_AA) ** (-0.5 * level)
    counterpart = flux_from_magnitude(peak + amplitude) * colours(rng, n, 0.4, 0.5)
    flux = counterpart[:, exposures.band] * (blue * 10.0 ** (0.4 * (amplitude * level + flicker)) - 1.0)
    curves = staying(flux, _NO_REDSHIFT, epoch[:, 0], counterpart)
    curves.parameters = {
        "recurrence_d": recurrence[:, 0],
        "amplitude_mag": amplitude[:, 0],
        "peak_mag": peak[:, 0],
    }
    return curves


def draw_flare(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Flares of M dwarfs: Davenport's shape, 3 to 60 minutes wide at half maximum, energies falling as a power law
    (Davenport 2016, ApJ 829, 23), at 9,000 K over a star of 3,200 K; each is caught by one exposure of the window.
    """
    mean = _mean_magnitudes(rng, n, survey, 0.35, 1.0, 13.5)
    width_d = rng.lognormal(np.log(8.0), 0.8, (n, 1)).clip(2.0, 90.0) / 1_440.0
    seen = np.flatnonzero(exposures.mjd_tai >= window.first_mjd)
    caught = exposures.mjd_tai[rng.choice(seen, (n, 1))]
    epoch = caught - rng.uniform(-0.5, 2.5, (n, 1)) * width_d
    # Of the flare at its peak over the star in r: a power law of index -1.8 from 0.1 on.
    strength = (0.1 * rng.random((n, 1)) ** (-1.0 / 0.8)).clip(None, 60.0)
    wavelength = exposures.wavelength_aa(survey.name)[None, :]
    hot = lc.black_body(wavelength, np.array(9_000.0)) / lc.black_body(np.array(R_AA), np.array(9_000.0))
    spectrum = lc.black_body(BAND_AA, np.array(3_200.0)) / lc.black_body(np.array(R_AA), np.array(3_200.0))
    counterpart = flux_from_magnitude(mean) * spectrum * rng.lognormal(0.0, 0.1, (n, len(BAND_AA)))
    flux = flux_from_magnitude(mean) * strength * hot * lc.flare((exposures.mjd_tai - epoch) / width_d)
    curves = staying(flux, _NO_REDSHIFT, epoch[:, 0], counterpart)
    curves.parameters = {"mean_mag": mean[:, 0], "strength": strength[:, 0], "width_d": width_d[:, 0]}
    return curves


def draw_agn(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Active nuclei: damped random walks with the scatter and damping time of MacLeod et al. 2010 (ApJ 721, 1014,
    equation 7) by rest wavelength, luminosity and black-hole mass; one walk, smaller in the red.

    Nuclei are Seyferts near by and quasars about redshift 1.4; the reference image holds their mean.
    """
    mean = _mean_magnitudes(rng, n, survey, 0.45, 0.0, 14.0)
    seyfert = rng.random((n, 1)) < np.clip(0.75 - 0.22 * (mean - 17.0), 0.05, 0.95)
    z = np.where(seyfert, rng.lognormal(np.log(0.12), 0.6, (n, 1)).clip(0.01, 0.5), rng.normal(1.4, 0.6, (n, 1)))
    z = z.clip(0.01, 3.2)
    absolute = mean - cosmology.distance_modulus(z)
    mass = rng.normal(8.6 - 0.25 * (absolute + 24.0), 0.4, (n, 1)).clip(6.0, 10.3)
    rest_aa = exposures.wavelength_aa(survey.name)[None, :] / (1.0 + z)
    log_sf = -0.51 + 0.131 * (absolute + 23.0) + 0.18 * (mass - 9.0) + rng.normal(0.0, 0.15, (n, 1))
    log_tau = 2.4 + 0.03 * (absolute + 23.0) + 0.21 * (mass - 9.0) + rng.normal(0.0, 0.25, (n, 1))
    sigma = (10.0**log_sf / np.sqrt(2.0)).clip(0.02, 0.6)
    tau = 10.0**log_tau * (1.0 + z)
    walk = lc.damped_random_walk(rng, exposures.mjd_tai, sigma, tau.clip(5.0, 3_000.0))
    change = walk * (rest_aa / 4_000.0) ** -0.479
    flux, counterpart = _varying(exposures, mean, colours(rng, n, -0.4, 0.35), change)
    curves = staying(flux, z[:, 0], exposures.mjd_tai[0], counterpart)
    curves.parameters = {
        "mean_mag": mean[:, 0],
        "sigma_mag": sigma[:, 0],
        "tau_d": tau[:, 0],
        "log_mass_sun": mass[:, 0],
    }
    return curves


def _agn_density(survey: Survey, place: Place, window: Window) -> float:
    """30 a square degree to r = 20.8 (Palanque-Delabrouille et al. 2016, A&A 587, A41), 350 to 24.6."""
    return 350.0 if survey.name == "lsst" else 30.0


def _flare_density(survey: Survey, place: Place, window: Window) -> float:
    """Flares caught, weak ones too, an exposure pair and square degree (of the order of Webb et al. 2021, MNRAS 506,
    2089).
    """
    return (2.0 if survey.name == "lsst" else 0.4) * window.nights


VARIABLES: tuple[Population, ...] = (
    Population("AGN", "AGN", 0.07, HostKind(-21.4, 0.8, 0.4, True), _agn_density, draw_agn),
    Population("CV", "CV", 0.08, None, _layer(0.15, 1.0, 15.0, 3.0), draw_cv),
    Population("RR Lyrae", "other", 0.03, None, _layer(3.0, 12.0, 15.0, 1.5), draw_rr_lyrae),
    Population("EW", "other", 0.02, None, _layer(4.0, 70.0, 14.0, 5.0), draw_contact),
    Population("EA", "other", 0.01, None, _layer(3.0, 60.0, 12.0, 5.0), draw_detached),
    Population("LPV", "other", 0.01, None, _layer(0.4, 40.0, 8.0, 1.0), draw_long_period),
    Population("M flare", "other", 0.02, None, _flare_density, draw_flare),
)
"""What varies. Stars a square degree: 46,000 RR Lyrae, 370,000 EW, 50,000 EA and 130,000 long-period variables of Chen
et al. 2020 (ApJS 249, 18) over ZTF's 25,000 square degrees, completed for what is too faint or too short for a period;
cataclysmic variables: Szkody et al. 2020 (AJ 159, 198)."""
