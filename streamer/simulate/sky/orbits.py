"""Orbits about the Sun: where Earth is, how an asteroid of the main belt moves that is seen here, on which ellipse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from schemas.light_curve import FloatArray
from streamer.simulate.observing import heavens

SUN_AU3_D2 = 2.9591220828559e-4
"""The Sun's gravity, Gauss' constant squared [au^3/d^2]."""

LIGHT_DAYS_PER_AU = 499.004784 / 86_400.0
"""Time that light takes for an astronomical unit [d]."""

_TO_ECLIPTIC = np.array(
    [
        [1, 0, 0],
        [0, np.cos(heavens.OBLIQUITY_RAD), np.sin(heavens.OBLIQUITY_RAD)],
        [0, -np.sin(heavens.OBLIQUITY_RAD), np.cos(heavens.OBLIQUITY_RAD)],
    ]
)


_J2000_MJD = 51_544.5

_PRECESSION_DEG = 50.29 / 3600.0
"""By which the equinox, from which the Sun's longitude counts, moves in a year."""


@dataclass(frozen=True, slots=True)
class Elements:
    """Kepler's elements of n orbits, (n,) each: ecliptic and equinox of J2000."""

    a_au: FloatArray
    e: FloatArray
    i_deg: FloatArray
    node_deg: FloatArray
    argperi_deg: FloatArray
    mean_anomaly_deg: FloatArray


@dataclass(frozen=True, slots=True)
class Motion:
    """n bodies in space, equatorial axes [au] and [au/d], each (n, 3): from the Sun and from Earth."""

    helio_au: FloatArray
    helio_au_d: FloatArray
    topo_au: FloatArray
    topo_au_d: FloatArray


def earth(mjd: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Earth's place [au] and velocity [au/d] from the Sun, each (n, 3), equatorial (Meeus 1998, chapter 25)."""
    half_day = 0.5
    later, before = _earth_place(mjd + half_day), _earth_place(mjd - half_day)
    return _earth_place(mjd), (later - before) / (2.0 * half_day)


def _earth_place(mjd: FloatArray) -> FloatArray:
    anomaly = np.radians(357.529 + 0.98560028 * (mjd - _J2000_MJD))
    centre = 1.915 * np.sin(anomaly) + 0.020 * np.sin(2.0 * anomaly)
    since = (mjd - _J2000_MJD) / 365.25
    longitude = np.radians(heavens.sun_longitude_deg(mjd) - _PRECESSION_DEG * since + centre + 180.0)
    distance = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2.0 * anomaly)
    ecliptic = np.stack([np.cos(longitude), np.sin(longitude), np.zeros(len(mjd))], axis=1) * distance[:, None]
    place: FloatArray = ecliptic @ _TO_ECLIPTIC
    return place


def directions(ra_deg: FloatArray, dec_deg: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Unit vectors (n, 3) towards places on the sky, and there towards east and north."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    zero = np.zeros(len(ra))
    towards = np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)
    east = np.stack([-np.sin(ra), np.cos(ra), zero], axis=1)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)], axis=1)
    return towards, east, north


def topocentric_au(mjd: FloatArray, towards: FloatArray, helio_au: FloatArray) -> FloatArray:
    """(n,) distance from Earth of bodies seen `towards` (n, 3), `helio_au` (n,) from the Sun: outside Earth's orbit."""
    along = (earth(mjd)[0] * towards).sum(axis=1)
    inside = (earth(mjd)[0] ** 2).sum(axis=1)
    distance: FloatArray = -along + np.sqrt(along**2 + helio_au**2 - inside)
    return distance


def seen_motion(
    mjd: FloatArray,
    place_deg: tuple[FloatArray, FloatArray],
    helio_au: FloatArray,
    rate_deg_d: FloatArray,
    receding_au_d: FloatArray,
) -> Motion:
    """Bodies seen at a right ascension and declination, `helio_au` (n,) from the Sun, that move by `rate_deg_d` (n, 2)
    east and north and by `receding_au_d` (n,) away from Earth.
    """
    towards, east, north = directions(*place_deg)
    place, velocity = earth(mjd)
    distance = topocentric_au(mjd, towards, helio_au)[:, None]
    rate = np.radians(rate_deg_d)
    across = distance * (rate[:, :1] * east + rate[:, 1:] * north)
    topo, topo_velocity = distance * towards, across + receding_au_d[:, None] * towards
    return Motion(place + topo, velocity + topo_velocity, topo, topo_velocity)


def carried(motion: Motion, mjd_then: FloatArray, mjd: FloatArray) -> Motion:
    """The same bodies at other times (n,), as they are seen: where they were when their light left them.

    The Sun's pull bends the path to third order in time, true to 1e-6 au over four days in the main belt.
    """
    place, velocity = earth(mjd)
    light_days = np.linalg.norm(motion.topo_au, axis=1) * LIGHT_DAYS_PER_AU
    for _ in range(2):
        days = (mjd - light_days - mjd_then)[:, None]
        helio, helio_velocity = _fallen(motion.helio_au, motion.helio_au_d, days)
        light_days = np.linalg.norm(helio - place, axis=1) * LIGHT_DAYS_PER_AU
    return Motion(helio, helio_velocity, helio - place, helio_velocity - velocity)


def _fallen(place: FloatArray, velocity: FloatArray, days: FloatArray) -> tuple[FloatArray, FloatArray]:
    distance2 = (place**2).sum(axis=1, keepdims=True)
    strength = SUN_AU3_D2 * distance2**-1.5
    pull = -strength * place
    change = -strength * (velocity - 3.0 * (place * velocity).sum(axis=1, keepdims=True) / distance2 * place)
    return (
        place + velocity * days + pull * days**2 / 2.0 + change * days**3 / 6.0,
        velocity + pull * days + change * days**2 / 2.0,
    )


def seen_at_deg(motion: Motion) -> tuple[FloatArray, FloatArray]:
    """Right ascension and declination at which bodies (n,) are seen from Earth [deg]."""
    x, y, z = (motion.topo_au / np.linalg.norm(motion.topo_au, axis=1, keepdims=True)).T
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))


def draw_motion(
    rng: np.random.Generator, mjd: FloatArray, place_deg: tuple[FloatArray, FloatArray], helio_au: FloatArray
) -> Motion:
    """Orbits as those of the main belt through places on the sky, `helio_au` (n,) from the Sun.

    Eccentricities and inclinations are Rayleigh distributed about 0.12 and 8 deg (Malhotra & Wang 2017, MNRAS 465,
    4381); what stands north or south of the ecliptic is inclined by as much at least.
    """
    n = len(mjd)
    towards, _, _ = directions(*place_deg)
    place, velocity = earth(mjd)
    topo = topocentric_au(mjd, towards, helio_au)[:, None] * towards
    helio = place + topo
    x, y, z = (helio @ _TO_ECLIPTIC.T).T / helio_au
    level = np.hypot(x, y)
    ahead, up = np.stack([-y, x, 0.0 * z]) / level, np.stack([-x * z, -y * z, level**2]) / level
    e = np.minimum(rng.rayleigh(0.12, n), 0.4)
    anomaly = rng.uniform(0.0, 2.0 * np.pi, n)
    momentum = np.sqrt(SUN_AU3_D2 * helio_au * (1.0 + e * np.cos(anomaly)))
    steep = np.arccos(np.minimum(np.cos(np.radians(rng.rayleigh(8.0, n))) / level, 1.0)) * rng.choice([-1.0, 1.0], n)
    along = (np.cos(steep) * ahead + np.sin(steep) * up) * momentum / helio_au
    outward = np.stack([x, y, z]) * SUN_AU3_D2 / momentum * e * np.sin(anomaly)
    helio_velocity = (along + outward).T @ _TO_ECLIPTIC
    return Motion(helio, helio_velocity, topo, helio_velocity - velocity)


def rates(motion: Motion, place_deg: tuple[FloatArray, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """How bodies move on the sky, (n, 2) east and north [deg/d], and away from Earth, (n,) [au/d]."""
    towards, east, north = directions(*place_deg)
    distance = np.linalg.norm(motion.topo_au, axis=1)
    across = np.stack([(motion.topo_au_d * axis).sum(axis=1) for axis in (east, north)], axis=1)
    return np.degrees(across / distance[:, None]), (motion.topo_au_d * towards).sum(axis=1)


def geometry(motion: Motion) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Distances from the Sun and from Earth [au], phase and elongation [deg], (n,) each."""
    helio, topo = np.linalg.norm(motion.helio_au, axis=1), np.linalg.norm(motion.topo_au, axis=1)
    to_sun = motion.topo_au - motion.helio_au
    phase = (motion.helio_au * motion.topo_au).sum(axis=1) / helio / topo
    elongation = (to_sun * motion.topo_au).sum(axis=1) / np.linalg.norm(to_sun, axis=1) / topo
    phase_deg, elongation_deg = (np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))) for cosine in (phase, elongation))
    return helio, topo, phase_deg, elongation_deg


def _eccentricity_vector(place: FloatArray, velocity: FloatArray) -> FloatArray:
    """Towards the perihelion, as long as the eccentricity (Curtis 2014, Orbital Mechanics, equation 4.10)."""
    distance = np.linalg.norm(place, axis=-1, keepdims=True)
    along = (place * velocity).sum(axis=-1, keepdims=True)
    speed2 = (velocity**2).sum(axis=-1, keepdims=True)
    vector: FloatArray = ((speed2 - SUN_AU3_D2 / distance) * place - along * velocity) / SUN_AU3_D2
    return vector


def elements(helio_au: FloatArray, helio_au_d: FloatArray) -> Elements:
    """Elements of the orbits through places [au] with velocities [au/d], each (n, 3) (Curtis 2014, algorithm 4.2)."""
    place, velocity = helio_au @ _TO_ECLIPTIC.T, helio_au_d @ _TO_ECLIPTIC.T
    distance = np.linalg.norm(place, axis=1)
    momentum = np.cross(place, velocity)
    to_node = np.stack([-momentum[:, 1], momentum[:, 0], np.zeros(len(place))], axis=1)
    perihelion = _eccentricity_vector(place, velocity)
    e = np.linalg.norm(perihelion, axis=1)
    a = 1.0 / (2.0 / distance - (velocity**2).sum(axis=1) / SUN_AU3_D2)
    anomaly = _angle(perihelion, place, momentum)
    eccentric = 2.0 * np.arctan2(np.sqrt(1.0 - e) * np.sin(anomaly / 2.0), np.sqrt(1.0 + e) * np.cos(anomaly / 2.0))
    return Elements(
        a_au=a,
        e=e,
        i_deg=np.degrees(np.arccos(momentum[:, 2] / np.linalg.norm(momentum, axis=1))),
        node_deg=np.degrees(np.arctan2(to_node[:, 1], to_node[:, 0])) % 360.0,
        argperi_deg=np.degrees(_angle(to_node, perihelion, momentum)) % 360.0,
        mean_anomaly_deg=np.degrees(eccentric - e * np.sin(eccentric)) % 360.0,
    )


def _angle(start: FloatArray, end: FloatArray, axis: FloatArray) -> FloatArray:
    """(n,) angle from `start` to `end` about `axis`, all (n, 3) [rad]."""
    unit = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    angle: FloatArray = np.arctan2((np.cross(start, end) * unit).sum(axis=1), (start * end).sum(axis=1))
    return angle


def ecliptic_deg(towards: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ecliptic longitude and latitude of equatorial directions (n, 3) [deg]."""
    x, y, z = (towards @ _TO_ECLIPTIC.T).T
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))
