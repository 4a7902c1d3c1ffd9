"""How each survey looks at one field of the sky: when, in which band, how deep, how sharp."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import BANDS, WAVELENGTH_AA, ByteArray, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude

_G, _R = BANDS.index("g"), BANDS.index("r")

NIGHTS = 30
"""Nights of sky time that one field's packets are spread over: the sky runs faster than the clock."""

FIRST_MJD = 61_100.0
"""Simulated nights begin here or, by seed, up to `START_SPREAD_DAYS` later (so that two seeds seldom share a visit)."""

START_SPREAD_DAYS = 900


@dataclass(frozen=True, slots=True)
class Survey:
    """What does not change from exposure to exposure."""

    name: str
    exposure_s: float
    lookback_days: float
    """How far back a packet's history reaches [d]."""
    cells: int
    """Readout channels (ZTF) or detectors (LSST) that share an exposure."""
    pixel_arcsec: float
    njy_per_electron: float
    """For shot noise [nJy]."""
    stamp_noise: float
    """Sky noise of the stamps over the white noise that the quoted errors imply."""
    reference_limit_mag: float
    """Faintest host or star that the reference catalogue lists (r)."""
    bright_mag: float
    """Peak magnitudes of transients begin here (saturation)."""
    peak_mag: float
    """Faintest peak of a drawn transient (r): the night is limited in magnitude."""


SURVEYS: dict[str, Survey] = {
    "ztf": Survey("ztf", 30.0, 30.0, 64, 1.01, 17.6, 0.4, 22.5, 14.0, 19.6),
    "lsst": Survey("lsst", 30.0, 365.0, 189, 0.2, 0.55, 1.0, 26.0, 16.5, 23.4),
}
"""ZTF: gain 6.2 e-/DN at a zero point of 26.3 mag (Bellm et al. 2019, PASP 131, 018002). LSST: 28.4 mag for 1 e-/s in r
(Ivezic et al. 2019, ApJ 873, 111). ZTF quotes errors 2.5 times those of white noise (median of 386 real packets): it
resamples its images, and its pixels' errors go together; LSST's quoted errors and variance planes agree."""

ZTF_DEPTH_MAG = {"g": 20.8, "r": 20.6}
"""5-sigma depth in the dark (Bellm et al. 2019, table 1)."""

LSST_DEPTH_MAG = (23.9, 25.0, 24.7, 24.0, 23.3, 22.1)
"""Single-visit 5-sigma depth in ugrizy (Ivezic et al. 2019, table 2)."""

_LSST_PAIRS = ((0, 1), (1, 2), (2, 3), (1, 3), (3, 4), (4, 5))
"""Bands of a night's two visits (Bianco et al. 2022, ApJS 258, 1: pairs in neighbouring bands)."""


@dataclass(frozen=True, slots=True)
class Exposures:
    """E exposures of one field, by time."""

    mjd_tai: FloatArray
    """(E,) middle [d]."""
    band: ByteArray
    """(E,) index into `schemas.light_curve.BANDS`."""
    limit_mag: FloatArray
    """(E,) 5-sigma depth for a point source in the difference image."""
    seeing_arcsec: FloatArray
    """(E,) FWHM."""
    night: IntArray
    """(E,) integer MJD of the evening."""
    emitted_from: int
    """Index of the first exposure whose detections are sent out; earlier ones are history."""

    def __len__(self) -> int:
        return len(self.mjd_tai)

    def wavelength_aa(self, survey: str) -> FloatArray:
        """(E,) effective wavelength of each exposure [angstrom]."""
        return np.asarray(WAVELENGTH_AA[survey])[self.band]

    def limit_njy(self) -> FloatArray:
        """(E,) the 5-sigma depth as a flux [nJy]."""
        return flux_from_magnitude(self.limit_mag)


def start_mjd(seed: int) -> float:
    """First night of a seed's sky [d]; the same for both surveys, so that their nights can run side by side."""
    return FIRST_MJD + seed % START_SPREAD_DAYS


def draw_exposures(rng: np.random.Generator, survey: Survey, first_mjd: float) -> Exposures:
    """The exposures of one field from its history's beginning to `NIGHTS` nights after `first_mjd`."""
    begin = first_mjd - survey.lookback_days - 30.0
    if survey.name == "ztf":
        # ZTF's public survey: g and r of the sky every two to three nights (Bellm et al. 2019, PASP 131, 068003).
        seen = _nights(rng, begin, first_mjd + NIGHTS, (1, 3))
        pairs = np.broadcast_to(np.array([_G, _R], dtype=np.uint8), (len(seen), 2)).copy()
        swap = rng.random(len(seen)) < 0.5
        pairs[swap] = pairs[swap][:, ::-1]
        gap = rng.uniform(0.02, 0.07, len(seen))
    else:
        # LSST comes back about every four nights with two visits half an hour apart.
        seen = _nights(rng, begin, first_mjd + NIGHTS, (2, 5))
        pairs = np.array(_LSST_PAIRS, dtype=np.uint8)[rng.integers(len(_LSST_PAIRS), size=len(seen))]
        gap = rng.uniform(0.015, 0.035, len(seen))
    first = seen + rng.uniform(0.12, 0.40, len(seen))
    mjd = np.column_stack([first, first + gap]).ravel()
    band = pairs.ravel()
    n = len(mjd)
    if survey.name == "ztf":
        depth = np.array([ZTF_DEPTH_MAG.get(name, np.nan) for name in BANDS])[band]
        seeing = 2.0 * rng.lognormal(0.0, 0.15, n)
        loss = 2.5 * np.log10(seeing / 2.0) - rng.normal(0.0, 0.15, n)
    else:
        depth = np.asarray(LSST_DEPTH_MAG)[band]
        seeing = 0.85 * rng.lognormal(0.0, 0.15, n)
        loss = 2.5 * np.log10(seeing / 0.7) - rng.normal(0.0, 0.1, n)
    # The Moon takes most from the blue: up to 1.2 mag in u and g when full (synodic month 29.53 d, new at MJD 61000.3).
    full = 0.5 * (1.0 - np.cos(2.0 * np.pi * (mjd - 61_000.3) / 29.53))
    moon = full * np.array([1.2, 1.1, 0.7, 0.4, 0.2, 0.1])[band]
    emitted_from = int(np.searchsorted(mjd, first_mjd))
    return Exposures(mjd, band, depth - loss - moon, seeing, np.repeat(seen, 2).astype(np.int64), emitted_from)


def _nights(rng: np.random.Generator, begin: float, end: float, wait: tuple[int, int]) -> FloatArray:
    """Evenings on which the field is seen (MJD), `wait` nights apart: a minimum and a maximum, never a longer gap."""
    steps = rng.integers(wait[0], wait[1] + 1, size=int(end - begin))
    nights: FloatArray = begin + np.cumsum(steps, dtype=np.float64)
    return nights[nights < end]
