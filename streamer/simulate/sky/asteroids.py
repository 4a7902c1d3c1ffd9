"""What moves."""

from __future__ import annotations

import numpy as np

from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import light_curves as lc
from streamer.simulate.sky import orbits
from streamer.simulate.sky.objects import Objects
from streamer.simulate.sky.populations import R_AA, Curves, Place, Population, Window, staying

_IN_FIELD_DAYS = 4.0


def draw_asteroids(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Main-belt asteroids, in the field for some days; they leave nothing in the reference image.

    Counts grow as 10^(0.4 m) (Gladman et al. 2009, Icarus 202, 104).
    """
    helio = rng.uniform(2.1, 3.2, (n, 1))
    mean_mag = np.maximum(survey.peak_mag + np.log10(rng.random((n, 1))) / 0.4, survey.bright_mag)
    amplitude = rng.gamma(2.0, 0.07, (n, 1))
    spin = amplitude * np.sin(4.0 * np.pi * (exposures.mjd_tai / rng.uniform(0.15, 0.6, (n, 1)) + rng.random((n, 1))))
    # Sunlight, a little redder.
    sun = lc.black_body(exposures.wavelength_aa(survey.name), np.array(5_600.0)) / lc.black_body(
        np.array(R_AA), np.array(5_600.0)
    )
    epoch = window.epochs(rng, n, 0.0)
    curves = staying(flux_from_magnitude(mean_mag + spin) * sun, np.array(np.nan), epoch[:, 0])
    curves.visible = np.abs(exposures.mjd_tai - epoch) < _IN_FIELD_DAYS
    curves.extra = {"helio_au": helio[:, 0]}
    curves.parameters = {"mean_mag": mean_mag[:, 0]}
    return curves


def put_in_orbit(rng: np.random.Generator, o: Objects) -> None:
    """Sets asteroids in motion: on orbits of the main belt through their places, as far from the Sun as was drawn.

    What an asteroid's absolute magnitude is follows from how bright it is there.
    """
    place = (o.ra_deg, o.dec_deg)
    motion = orbits.draw_motion(rng, o.epoch_mjd, place, o.helio_au)
    rate, o.receding_au_d = orbits.rates(motion, place)
    _, o.topo_au, o.phase_deg, _ = orbits.geometry(motion)
    o.motion_arcsec_per_day = rate * 3600.0
    o.h_mag = o.parameters["mean_mag"] - lc.asteroid_magnitude(np.zeros(len(o)), o.helio_au, o.topo_au, o.phase_deg)
    o.parameters |= {
        "h_mag": o.h_mag,
        "rate_arcsec_per_day": np.hypot(*o.motion_arcsec_per_day.T),
        "phase_deg": o.phase_deg,
        "receding_au_d": o.receding_au_d,
    }


def _density(survey: Survey, place: Place, window: Window) -> float:
    """A square degree of the ecliptic holds 40 to 20.8 mag and 1,200 to 24.6, a tenth of that at 25 deg (Gladman et al.
    2009; Jones et al. 2009, EM&P 105, 101).
    """
    plane = 1_200.0 if survey.name == "lsst" else 40.0
    return plane * float(np.exp(-abs(place.ecliptic_latitude_deg) / 11.0)) * window.nights


ASTEROIDS: tuple[Population, ...] = (Population("asteroid", None, 0.12, None, _density, draw_asteroids),)
"""What moves."""
