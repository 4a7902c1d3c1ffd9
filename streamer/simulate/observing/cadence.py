"""When, in which band, how deep and how sharp a survey sees one field of the sky."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from schemas.light_curve import BANDS, WAVELENGTH_AA, ByteArray, FloatArray, IntArray
from schemas.surveys.columns import flux_from_magnitude
from streamer.simulate.observing import heavens
from streamer.simulate.observing.surveys import Survey

_G, _R, _I = BANDS.index("g"), BANDS.index("r"), BANDS.index("i")

FIRST_MJD = 61_100.0
"""Simulated nights begin here or, by seed, up to `START_SPREAD_DAYS` later (so that two seeds seldom share a visit)."""

START_SPREAD_DAYS = 900

NIGHT_SLOTS = 720
"""Exposures that a night has room for."""

PAIR_GAP_D = {"ztf": (0.0436, 0.66), "lsst": (0.023, 0.2)}
"""From a night's first visit to its second in another band [d]: median, and scatter of the logarithm. ZTF's are those
of the histories of 900 real packets; LSST's is the 33 minutes of its plan (Bianco et al. 2022)."""

ZTF_DEPTH_MAG = {"g": 20.8, "r": 20.6, "i": 20.2}
"""5-sigma depth at the zenith of a clear moonless night in 2.0 arcsec seeing (Bellm et al. 2019, table 1)."""

LSST_DEPTH_MAG = (23.55, 24.65, 24.35, 23.65, 22.95, 21.75)
"""The same in ugrizy for 0.85 arcsec: single visits' of Ivezic et al. 2019 (ApJ 873, 111, table 2) less 0.35 mag, which
references of few visits cost (i: 67 real packets quote 350 nJy in the median)."""

_DARK_SKY_MAG_ARCSEC2 = (22.9, 22.3, 21.2, 20.5, 19.6, 18.6)
"""Sky brightness in ugrizy without the Moon (Ivezic et al. 2019, table 2)."""

_EXTINCTION_MAG = (0.49, 0.21, 0.13, 0.10, 0.07, 0.17)
"""Loss an airmass in ugrizy (Ivezic et al. 2019, table 2)."""

_MOON_MAG = (3.0, 2.6, 1.5, 0.9, 0.5, 0.2)
"""How much the full Moon brightens the sky in ugrizy, at a moderate distance (Krisciunas & Schaefer 1991, PASP 103,
1033)."""

_MOON_AVOIDANCE_DEG = 30.0
"""No field is seen so near the Moon when that is more than half full."""

_LSST_PAIRS = ((0, 1), (1, 2), (2, 3), (1, 3), (3, 4), (4, 5))
"""Bands of a night's two visits (Bianco et al. 2022, ApJS 258, 1: pairs in neighbouring bands)."""

_TAI_MINUS_UTC_S = 37.0
"""Good enough for when a night begins; the packets' own times are converted by `schemas.times`."""

_SPELLS_PER_NIGHT, _SPELL_NIGHTS = 0.12, 2.3
"""How often bad weather comes and how long it stays on average: it takes a quarter of the nights."""

_VISIT_KEPT = 0.86
"""Share of earlier visits that gave an image."""

_FIELDS_SEEN_AGAIN, _SEEN_AGAIN = 0.3, 0.6
"""Share of ZTF's fields whose visits were repeated in the same band within minutes, and of their visits that were."""

_SEEN_IN_I = 0.2
"""Share of ZTF's fields that have visits in i among their histories."""

_WEATHER_BEFORE_DAYS = 500
"""Histories begin so long before a seed's first night at most."""

MAX_DAYS = 4_000
"""Longest simulation [d]: ids have room for nights up to 2041 only."""


@dataclass(frozen=True, slots=True)
class Pointing:
    """One field and its place in the plan of a simulation."""

    index: int
    """Of the field within its seed: no two fields of a seed share it."""
    first_night: int
    """MJD of the first evening whose alerts are sent."""
    nights: int
    """How many evenings are sent."""
    slots: tuple[int, int]
    """Of the two visits in each night; the fields of a night share no slot."""


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
    sky_mag_arcsec2: FloatArray
    """(E,) brightness of the sky."""
    cloud_mag: FloatArray
    """(E,) loss in clouds, 0 when clear."""
    airmass: FloatArray
    """(E,)"""
    rotation_deg: FloatArray
    """(E,) angle from north through east to the detector's +y; 0 for ZTF, anything for LSST."""
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


def draw_place(rng: np.random.Generator, survey: Survey, pointing: Pointing) -> tuple[float, float]:
    """Right ascension and declination of a field that is up at its slot of its first night [deg]."""
    sun_ra, _ = heavens.equatorial(heavens.sun_longitude_deg(np.array([float(pointing.first_night)])))
    from_midnight_deg = (pointing.slots[0] - NIGHT_SLOTS / 2) * survey.slot_s / 86_400.0 * 360.9856
    while True:
        ra = float(sun_ra[0] + 180.0 + from_midnight_deg + rng.uniform(-45.0, 45.0)) % 360.0
        # Uniform over the sphere between the limits of the surveys' footprints.
        low, high = (-28.0, 75.0) if survey.name == "ztf" else (-70.0, 3.0)
        dec = float(np.degrees(np.arcsin(rng.uniform(np.sin(np.radians(low)), np.sin(np.radians(high))))))
        if _is_up(np.array([pointing.first_night]), ra, dec)[0]:
            return ra, dec


def draw_exposures(
    rng: np.random.Generator, survey: Survey, seed: int, pointing: Pointing, ra_deg: float, dec_deg: float
) -> Exposures:
    """The exposures of one field from its history's beginning to the last night that is sent."""
    begin = pointing.first_night - int(survey.lookback_days) - 31
    evenings = np.arange(begin, pointing.first_night + pointing.nights)
    good, cloud = weather(survey, seed, evenings)
    # What is sent begins on a good night: who asks for a night wants to see one.
    up = (good & _is_up(evenings, ra_deg, dec_deg)) | (evenings == pointing.first_night)
    evening = _visited(rng, survey, evenings[up], pointing.first_night)
    earlier = evening < pointing.first_night
    slots = np.repeat(np.array([pointing.slots], dtype=np.float64), len(evening), axis=0)
    # In the past a field had another place in the night, and now and then lost one of its two visits.
    past = int(earlier.sum())
    slots[earlier, 0] += rng.uniform(-0.25, 0.25, past) * NIGHT_SLOTS
    slots[earlier, 1] = slots[earlier, 0] + pair_gap_slots(rng, survey, past)
    kept = (~earlier[:, None] | (rng.random(slots.shape) < _VISIT_KEPT)).ravel()
    # Seeds whose nights meet see them at other seconds: ids are made of times.
    midnight = survey.midnight_utc_d + (_TAI_MINUS_UTC_S + 11 * seed % 37) / 86_400.0
    mjd = (evening[:, None] + midnight + (slots - NIGHT_SLOTS / 2) * survey.slot_s / 86_400.0).ravel()[kept]
    band = _bands(rng, survey, evening, earlier).ravel()[kept]
    night = np.repeat(evening, 2)[kept]
    if survey.name == "ztf":
        often = _SEEN_AGAIN if rng.random() < _FIELDS_SEEN_AGAIN else 0.0
        again = np.flatnonzero((night < pointing.first_night) & (rng.random(len(night)) < often))
        soon = rng.lognormal(np.log(0.0014), 1.0, len(again)).clip(40.0 / 86_400.0, 0.03)
        mjd, band, night = (
            np.append(mjd, mjd[again] + soon),
            np.append(band, band[again]),
            np.append(night, night[again]),
        )
    order = np.argsort(mjd, kind="stable")
    mjd, band, night = mjd[order], band[order], night[order]
    return _conditions(rng, survey, mjd, band, night, cloud[night - begin], ra_deg, dec_deg, pointing)


def pair_gap_slots(rng: np.random.Generator, survey: Survey, n: int) -> FloatArray:
    """(n,) from the first to the second visit of a night, in slots."""
    median_d, scatter = PAIR_GAP_D[survey.name]
    gap: FloatArray = rng.lognormal(np.log(median_d), scatter, n).clip(0.004, 0.11) * 86_400.0 / survey.slot_s
    return gap


def weather(survey: Survey, seed: int, evenings: IntArray) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """(N,) whether each evening is usable, and its typical loss in clouds [mag]; the same for all fields of a seed.

    Bad weather comes in spells. Thin clouds take up to a few magnitudes on one usable night in ten, as ZTF's zero
    points show.
    """
    good, cloud = _whole_weather(survey.name, seed)
    place = evenings - int(FIRST_MJD) + _WEATHER_BEFORE_DAYS
    return good[place], cloud[place]


@lru_cache(maxsize=8)
def _whole_weather(survey: str, seed: int) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """The weather of all evenings that a seed's fields may ask for."""
    rng = np.random.default_rng([seed, len(survey)])
    n = _WEATHER_BEFORE_DAYS + START_SPREAD_DAYS + MAX_DAYS + 1
    lost = np.zeros(n, dtype=bool)
    for first in np.flatnonzero(rng.random(n) < _SPELLS_PER_NIGHT):
        lost[first : first + int(rng.geometric(1.0 / _SPELL_NIGHTS))] = True
    scale = np.array([0.03, 0.3, 1.3])[np.searchsorted([0.7, 0.92], rng.random(n))]
    return ~lost, rng.exponential(scale)


def _is_up(evenings: IntArray, ra_deg: float, dec_deg: float) -> npt.NDArray[np.bool_]:
    """(N,) whether the field is far enough from the Sun, and from the bright Moon, at midnight."""
    days = evenings.astype(np.float64) + 0.3
    sun = heavens.equatorial(heavens.sun_longitude_deg(days))
    moon = heavens.equatorial(heavens.moon_longitude_deg(days))
    bright = heavens.moon_illumination(days) > 0.5
    near_moon = heavens.separation_deg(*moon, np.array(ra_deg), np.array(dec_deg)) < _MOON_AVOIDANCE_DEG
    from_sun: FloatArray = np.abs((ra_deg - sun[0] + 180.0) % 360.0 - 180.0)
    up: npt.NDArray[np.bool_] = (from_sun > 75.0) & ~(bright & near_moon)
    return up


def _visited(rng: np.random.Generator, survey: Survey, evenings: IntArray, first_night: int) -> IntArray:
    """(N,) evenings of a field's pairs of visits, among those that it can be seen on; the first that is sent is one.

    Fields are not seen equally often: surveys fill gaps, and one field in ten of ZTF is seen several times a night.
    """
    interval = float(np.clip(rng.lognormal(np.log(2.0), 0.5), 1.0, 6.0))
    steps = np.maximum(np.rint(rng.gamma(4.0, interval / 4.0, 2 * int(np.ptp(evenings)) + 2)), 1.0).astype(np.int64)
    due = first_night + np.concatenate([-np.cumsum(steps[::-1]), [0], np.cumsum(steps)])
    seen = evenings[np.isin(evenings, due)]
    most = int(rng.choice([1, 3, 5], p=[0.9, 0.07, 0.03])) if survey.name == "ztf" else 1
    pairs = np.where(seen < first_night, rng.integers(1, most + 1, len(seen)), 1)
    visited: IntArray = np.repeat(seen, pairs).astype(np.int64)
    return visited


def _bands(rng: np.random.Generator, survey: Survey, evenings: IntArray, earlier: npt.NDArray[np.bool_]) -> ByteArray:
    """(N, 2) bands of each evening's two visits."""
    n = len(evenings)
    if survey.name == "ztf":
        # ZTF's public survey: g and r of the sky every two to three nights (Bellm et al. 2019, PASP 131, 068003).
        pairs = np.broadcast_to(np.array([_G, _R], dtype=np.uint8), (n, 2)).copy()
        if rng.random() < _SEEN_IN_I:
            pairs[earlier & (rng.random(n) < 0.4), 0] = _I
        swap = rng.random(n) < 0.5
        pairs[swap] = pairs[swap][:, ::-1]
        return pairs
    pairs = np.array(_LSST_PAIRS, dtype=np.uint8)[rng.integers(len(_LSST_PAIRS), size=n)]
    # Five filters are in the wheel: no u when the Moon is bright.
    bright = heavens.moon_illumination(evenings.astype(np.float64) + 0.3) > 0.4
    pairs[bright & (pairs[:, 0] == 0)] = (3, 4)
    return pairs


def _conditions(
    rng: np.random.Generator,
    survey: Survey,
    mjd: FloatArray,
    band: ByteArray,
    night: IntArray,
    cloud: FloatArray,
    ra_deg: float,
    dec_deg: float,
    pointing: Pointing,
) -> Exposures:
    """Adds sky, seeing, clouds and the depth that follows: m5 = m5_dark + 0.5 d_sky + 2.5 log10(s0 / s) - k (X - 1) -
    clouds (Ivezic et al. 2019, equation 6).
    """
    n = len(mjd)
    sun_ra, _ = heavens.equatorial(heavens.sun_longitude_deg(mjd))
    sidereal = sun_ra + 180.0 + (mjd - np.floor(mjd) - survey.midnight_utc_d) * 360.9856
    airmass = heavens.airmass((sidereal - ra_deg + 180.0) % 360.0 - 180.0, dec_deg, survey.latitude_deg)
    moon = heavens.equatorial(heavens.moon_longitude_deg(mjd))
    distance = heavens.separation_deg(*moon, np.array(ra_deg), np.array(dec_deg))
    lit = heavens.moon_illumination(mjd) ** 1.5 * np.clip(1.6 - distance / 100.0, 0.5, 1.3)
    brighter = lit * np.asarray(_MOON_MAG)[band] + rng.normal(0.0, 0.08, n)
    best, dark = (2.0, _ZTF_DEPTH) if survey.name == "ztf" else (0.85, np.asarray(LSST_DEPTH_MAG))
    typical = 0.95 * best if survey.name == "ztf" else 1.08 * best
    seeing = typical * rng.lognormal(0.0, 0.14, n) * airmass**0.6
    patchy = cloud * rng.lognormal(0.0, 0.35, n)
    limit = (
        dark[band]
        - 0.5 * brighter
        - 2.5 * np.log10(seeing / best)
        - np.asarray(_EXTINCTION_MAG)[band] * (airmass - 1.0)
        - patchy
    )
    rotation = np.zeros(n) if survey.name == "ztf" else rng.uniform(-180.0, 180.0, n)
    return Exposures(
        mjd_tai=mjd,
        band=band,
        limit_mag=limit,
        seeing_arcsec=seeing,
        sky_mag_arcsec2=np.asarray(_DARK_SKY_MAG_ARCSEC2)[band] - brighter,
        cloud_mag=patchy,
        airmass=airmass,
        rotation_deg=rotation,
        night=night,
        emitted_from=int(np.searchsorted(night, pointing.first_night)),
    )


_ZTF_DEPTH: FloatArray = np.array([ZTF_DEPTH_MAG.get(name, np.nan) for name in BANDS])
