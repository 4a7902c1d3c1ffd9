"""What moves."""

from __future__ import annotations

import numpy as np

from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing.cadence import Exposures
from streamer.simulate.observing.surveys import Survey
from streamer.simulate.sky import light_curves as lc
from streamer.simulate.sky.populations import R_AA, Curves, Place, Population, Window, staying

_IN_FIELD_DAYS = 4.0


def draw_asteroids(rng: np.random.Generator, n: int, survey: Survey, exposures: Exposures, window: Window) -> Curves:
    """Main-belt asteroids near opposition, in the field for some days; they leave nothing in the reference image.

    Counts grow as 10^(0.4 m) (Gladman et al. 2009, Icarus 202, 104).
    """
    helio = rng.uniform(2.1, 3.2, (n, 1))
    phase = rng.uniform(0.5, 0.9 * np.degrees(np.arcsin(1.0 / helio)))
    # Triangle Sun - Earth (1 au) - asteroid, solved for the distance at this phase angle.
    topo = helio * np.cos(np.radians(phase)) - np.sqrt(1.0 - (helio * np.sin(np.radians(phase))) ** 2)
    wanted = np.maximum(survey.peak_mag + np.log10(rng.random((n, 1))) / 0.4, survey.bright_mag)
    h_mag = wanted - lc.asteroid_magnitude(np.zeros((n, 1)), helio, topo, phase)
    # A circular orbit's daily motion seen from Earth at opposition, slower by up to a third away from it.
    rate = 3548.2 * (1.0 - helio**-0.5) / (helio - 1.0) * rng.uniform(0.7, 1.0, (n, 1))
    angle = rng.normal(0.3, 0.2, (n, 1))
    amplitude = rng.gamma(2.0, 0.07, (n, 1))
    spin = amplitude * np.sin(4.0 * np.pi * (exposures.mjd_tai / rng.uniform(0.15, 0.6, (n, 1)) + rng.random((n, 1))))
    # Sunlight, a little redder.
    sun = lc.black_body(exposures.wavelength_aa(survey.name), np.array(5_600.0)) / lc.black_body(
        np.array(R_AA), np.array(5_600.0)
    )
    magnitude = lc.asteroid_magnitude(h_mag, helio, topo, phase) + spin
    epoch = window.epochs(rng, n, 0.0)
    curves = staying(flux_from_magnitude(magnitude) * sun, np.array(np.nan), epoch[:, 0])
    curves.visible = np.abs(exposures.mjd_tai - epoch) < _IN_FIELD_DAYS
    curves.motion_arcsec_per_day = np.hstack([-rate * np.cos(angle), rate * np.sin(angle)])
    curves.extra = {"h_mag": h_mag[:, 0], "helio_au": helio[:, 0], "topo_au": topo[:, 0], "phase_deg": phase[:, 0]}
    curves.parameters = {"h_mag": h_mag[:, 0], "rate_arcsec_per_day": rate[:, 0], "phase_deg": phase[:, 0]}
    return curves


def _density(survey: Survey, place: Place, window: Window) -> float:
    """A square degree of the ecliptic holds 40 to 20.8 mag and 1,200 to 24.6, a tenth of that at 25 deg (Gladman et al.
    2009; Jones et al. 2009, EM&P 105, 101).
    """
    plane = 1_200.0 if survey.name == "lsst" else 40.0
    return plane * float(np.exp(-abs(place.ecliptic_latitude_deg) / 11.0)) * window.nights


ASTEROIDS: tuple[Population, ...] = (Population("asteroid", None, 0.12, None, _density, draw_asteroids),)
"""What moves."""
