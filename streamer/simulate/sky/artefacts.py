"""What is no source: bad subtractions, cosmic rays, ghosts, bad columns."""

from __future__ import annotations

import numpy as np

from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky.objects import BAD_COLUMN, BAD_SUBTRACTION, COSMIC_RAY, GHOST, SOURCE
from streamer.simulate.sky.populations import Curves, Place, Population, Window, colours, staying

_KINDS = (BAD_SUBTRACTION, COSMIC_RAY, GHOST, BAD_COLUMN, SOURCE)
_SHARES = {"ztf": (0.70, 0.08, 0.12, 0.10, 0.0), "lsst": (0.25, 0.02, 0.02, 0.02, 0.69)}
"""Of the candidates; of LSST's noise a quarter is detected."""

_LIFTED_SNR = 4.2
"""True brightness of noise that is taken for a source, over the noise."""


def draw_artefacts(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Bogus detections: residuals of stars that do not subtract, and cosmic rays, ghosts of bright stars, bad columns
    and mere noise where nothing else is.

    A star's residual is a few per cent of its light, of either sign, on few exposures for most stars and on many for
    some. The others show 5 to 20 times the noise once, or now and then again at the same place. Noise that looks like a
    faint source is frequent in LSST, whose images hold more places than ZTF's (30 of 51 real sources without an orbit
    stand out by less than 6 sigma where nothing is); it is drawn as a source too faint that the noise lifts over 5.
    """
    kind = rng.choice(_KINDS, size=n, p=_SHARES[survey.name])
    on_star = kind == BAD_SUBTRACTION
    star_mag = survey.bright_mag + rng.uniform(-1.2, 2.7, n)
    counterpart = np.where(on_star, flux_from_magnitude(star_mag), 0.0)[:, None] * colours(rng, n, 1.2, 0.8)
    often = np.where(on_star, rng.beta(0.5, 6.0, n), 0.004)
    hit = rng.random((n, len(exposures))) < often[:, None]
    seen = np.flatnonzero(exposures.mjd_tai >= window.first_mjd)
    when = rng.choice(seen, n)
    hit[np.arange(n), when] = True
    # The bad nights are those of clouds and poor seeing: residuals grow with what the exposure loses.
    worse = (
        1.0
        + 1.5 * exposures.cloud_mag
        + 1.5 * np.maximum(exposures.seeing_arcsec / np.median(exposures.seeing_arcsec) - 1.0, 0.0)
    )
    size = rng.lognormal(np.log(0.035), 0.7, hit.shape) * worse
    sign = np.where(rng.random(n) < 0.35, 1.0, -1.0)[:, None] * np.where(rng.random(hit.shape) < 0.15, -1.0, 1.0)
    residual = sign * size * counterpart[:, exposures.band]
    noise = exposures.limit_njy() / 5.0
    lone = np.where(rng.random(n) < 0.75, 1.0, -1.0)[:, None] * (5.6 + rng.exponential(3.5, hit.shape)) * noise
    flux = np.where(hit, np.where(on_star[:, None], residual, lone), 0.0)
    flux = np.where((kind == SOURCE)[:, None], np.where(hit, _LIFTED_SNR * noise, 0.0), flux)
    curves = staying(flux, np.array(np.nan), exposures.mjd_tai[when], counterpart)
    curves.extra = {"artefact": kind.astype(np.int64)}
    curves.parameters = {"artefact": kind.astype(np.float64), "star_mag": np.where(on_star, star_mag, np.nan)}
    return curves


def _density(survey: Survey, place: Place, window: Window) -> float:
    """Follows the bright stars; of ZTF's raw stream about a third is bogus (Duev et al. 2019, MNRAS 489, 3582)."""
    stars = 2.0 + 12.0 * float(np.exp(-abs(place.galactic_latitude_deg) / 15.0))
    return stars * (8.0 if survey.name == "lsst" else 1.0) * window.nights


ARTEFACTS: tuple[Population, ...] = (Population("bogus", None, 0.18, None, _density, draw_artefacts),)
"""What is no source."""
